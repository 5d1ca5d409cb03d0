"""Behind a blur of the room, the room is what leaked sharply, and else the blurred one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.recovery.background.test_blurred_room import LAYOUT, frames_of, furnished
from tests.recovery.background.test_gaussian import HEIGHT, WIDTH
from unveil.recovery.engine import Engine
from unveil.recovery.result import Recovery
from unveil.video.chunk import Chunk
from unveil.video.colour import to_rgb

LEAK = slice(60, 100), slice(215, 275)
"""Where the room leaks for some frames, above the person."""


def recovered_behind(kind: str) -> Recovery:
    """Recover from frames in which the sharp room shows above the person at times."""
    engine = Engine(HEIGHT, WIDTH, method="farend", threads=1)
    room = np.clip(np.rint(furnished(0)), 0, 255).astype(np.uint8)
    for number, chunk in enumerate(frames_of(kind, 8.0)):
        if number % 6 == 0:
            chunk.planes[0][0][LEAK] = room[LEAK]
        engine.update(Chunk(chunk.planes, np.array([number / 25]), LAYOUT, chunk.person))
    return engine.finalise()


@pytest.fixture(scope="module")
def blurred() -> Recovery:
    return recovered_behind("blur")


@pytest.fixture(scope="module")
def still() -> Recovery:
    return recovered_behind("smooth")


def true_room() -> np.ndarray:
    """Return the room as RGB."""
    levels = np.stack([furnished(0), *np.full((2, HEIGHT, WIDTH), 128.0)], -1)
    return to_rgb(levels.astype(np.float64), LAYOUT.colour)


def test_the_whole_room_is_claimed_and_near_the_truth(blurred: Recovery) -> None:
    found = blurred.report["blur"]
    assert abs(found["sigma_pixels"] - 8) <= 0.2 * 8
    assert found["sigma_share"] == found["sigma_pixels"] / HEIGHT
    assert blurred.recovered == HEIGHT * WIDTH
    assert any("blur of the room" in warning for warning in blurred.report["warnings"])
    error = np.abs(blurred.room[..., :3].astype(float) - true_room()).mean(-1)
    blur_error = np.abs(blurred.background[..., :3].astype(float) - true_room()).mean(-1)
    never = np.s_[:50]  # far above the person
    assert error[never].mean() < blur_error[never].mean()


def test_nothing_is_claimed_far_inside_the_person() -> None:
    """What no frame showed is not claimed, and its background is not known."""
    engine = Engine(HEIGHT, WIDTH, method="farend", threads=1)
    for number, chunk in enumerate(frames_of("blur", 8.0)):
        chunk.person[:, 70:, :] = 2  # and all that is below row 280
        engine.update(Chunk(chunk.planes, np.array([number / 25]), LAYOUT, chunk.person))
    recovery = engine.finalise()
    assert recovery.report["blur"] is not None
    hidden = np.s_[300:]
    assert not recovery.room[hidden].any()
    assert not recovery.background[hidden][..., 3].any()
    assert not recovery.counts.blurred[hidden].any()
    assert recovery.report["blur"]["sharp_pixels"] == np.count_nonzero(recovery.sharp)
    assert (recovery.room[:250, :, 3] > 0).all()


def test_sharp_leaks_are_told_apart(blurred: Recovery) -> None:
    assert blurred.report["blur"]["sharp_pixels"] == np.count_nonzero(blurred.sharp)
    assert blurred.sharp[LEAK].any()
    assert not blurred.sharp[:50].any()
    right = np.abs(blurred.room[LEAK][..., :3].astype(float) - true_room()[LEAK]).mean(-1) < 12
    assert right[blurred.sharp[LEAK]].mean() > 0.9
    leak_times = blurred.leak_times
    assert leak_times is not None
    assert leak_times.leaked_share.max() < 0.2


def test_the_files_tell_them_apart(blurred: Recovery, still: Recovery, tmp_path: Path) -> None:
    blurred.save(tmp_path)
    stats = pq.read_table(tmp_path / "stats.parquet", columns=["room_is_blurred"])
    column = stats["room_is_blurred"].to_numpy().reshape(HEIGHT, WIDTH)
    assert np.array_equal(column, blurred.counts.blurred)
    with Image.open(tmp_path / "room_sharp.png") as picture:
        assert np.array_equal(np.array(picture)[..., 3] > 0, blurred.sharp)
    still.save(tmp_path, force=True)
    assert not (tmp_path / "room_sharp.png").exists()


def test_a_smooth_picture_claims_nothing_of_it(still: Recovery) -> None:
    assert still.report["blur"] is None
    assert not still.counts.blurred.any()
    assert still.recovered < 0.2 * HEIGHT * WIDTH
