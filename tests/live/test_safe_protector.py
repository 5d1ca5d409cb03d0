"""`SafeProtector`: every frame is protected or shows the background, whatever is raised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import sitter
from tests.footage import write_video
from tests.sitter import INSIDE, Watcher, frame, picture, seated
from unveil.errors import DamagedModel
from unveil.live.safe_protector import SafeProtector
from unveil.protection import Protector
from unveil.protection.compose import Compositor
from unveil.video.chunk import Layout, Planes

LAYOUT = Layout(sitter.HEIGHT, sitter.WIDTH, 1, 1)
WHITE, GREY = 235, 126
"""Levels of luma of white and of (128, 128, 128)."""


def planes_of(number: int) -> Planes:
    chroma = (sitter.HEIGHT // 2, sitter.WIDTH // 2)
    return picture(number), np.full(chroma, 90, np.uint8), np.full(chroma, 160, np.uint8)


def blank() -> Planes:
    luma, cb, cr = LAYOUT.empty(1)
    return luma[0], cb[0], cr[0]


def white(watcher: Watcher, **options: Any) -> Callable[[], Protector]:
    return lambda: Protector("replace", background="white", smooth=1, segmenter=watcher, **options)


def test_a_frame_is_protected() -> None:
    safe, target = SafeProtector(white(Watcher())), blank()
    protected = safe.protect(planes_of(0), LAYOUT, target)
    assert protected.failure is None
    assert protected.person_ms >= 0
    assert protected.compose_ms > 0
    np.testing.assert_array_equal(target[0][INSIDE], picture(0)[INSIDE])
    assert (target[0][:, :24] == WHITE).all()


def test_the_first_protector_must_be_made() -> None:
    def make() -> Protector:
        raise DamagedModel("full: is damaged")

    with pytest.raises(DamagedModel):
        SafeProtector(make)


def test_a_failed_blend_shows_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    safe, target = SafeProtector(white(Watcher())), blank()

    def fail(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Compositor, "over", fail)
    protected = safe.protect(planes_of(0), LAYOUT, target)
    assert protected.failure == "not enough memory"
    assert (target[0] == WHITE).all()


@pytest.mark.parametrize(("mode", "level"), [("blur", GREY), ("remove", 112)])
def test_without_a_picture_grey_or_green_is_shown(
    mode: Any, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe, target = SafeProtector(lambda: Protector(mode, segmenter=Watcher())), blank()

    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(Protector, "detect_person", fail)
    assert safe.protect(planes_of(0), LAYOUT, target).failure == "ValueError: broken"
    assert abs(int(target[0][0, 0]) - level) <= 1
    for plane in target:
        assert (plane == plane[0, 0]).all()


def test_a_new_protector_is_made_a_second_later() -> None:
    now = [100.0]
    watchers: list[Watcher] = []
    works = False

    def make() -> Protector:
        if watchers and not works:
            raise OSError("no network")
        watchers.append(Watcher(lambda number: seated() if works else ValueError("broken")))
        return Protector("replace", background="white", smooth=1, segmenter=watchers[-1])

    safe, target = SafeProtector(make, now=lambda: now[0]), blank()
    failures = [safe.protect(planes_of(n), LAYOUT, target).failure for n in range(35)]
    assert failures[:29] == ["ValueError: broken"] * 29
    assert "30 frames in a row" in str(failures[29])
    assert "begins again within a second" in str(failures[30])
    assert "ValueError: broken" in str(failures[34])
    assert watchers[0].n_asked == 30
    now[0] += 1.01
    assert safe.protect(planes_of(40), LAYOUT, target).failure == "OSError: no network"
    assert "no network" in str(safe.protect(planes_of(41), LAYOUT, target).failure)
    works = True
    assert safe.protect(planes_of(42), LAYOUT, target).failure is not None  # too early
    assert (target[0] == WHITE).all()
    now[0] += 1.01
    assert safe.protect(planes_of(43), LAYOUT, target).failure is None
    np.testing.assert_array_equal(target[0][INSIDE], picture(43)[INSIDE])
    assert len(watchers) == 2


def test_a_reset_that_fails_does_no_harm() -> None:
    class Broken(Watcher):
        def reset(self) -> None:
            raise RuntimeError("cannot forget")

    safe, target = SafeProtector(lambda: Protector("blur", segmenter=Broken())), blank()
    safe.reset()
    failure = safe.protect(planes_of(0), LAYOUT, target).failure
    assert failure is not None
    assert "cannot forget" in failure
    safe.close()
    safe.close()


def test_a_background_video_stands_still_while_the_camera_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause of an hour moves it by half a second: it is not decoded for an hour."""
    now = [0.0]
    seconds: list[float] = []
    loop = write_video(tmp_path / "loop.mkv", map(frame, range(4)), rate=25)
    safe = SafeProtector(
        lambda: Protector("replace", background=loop, segmenter=Watcher()), now=lambda: now[0]
    )
    compose = Protector.compose

    def noting(self: Protector, *arguments: Any) -> None:
        seconds.append(arguments[-1])
        compose(self, *arguments)

    monkeypatch.setattr(Protector, "compose", noting)
    for now[0] in (10.0, 10.04, 10.08, 3610.08, 3610.12):
        assert safe.protect(planes_of(0), LAYOUT, blank()).failure is None
    safe.close()
    np.testing.assert_allclose(seconds, [0, 0.04, 0.08, 0.58, 0.62])
