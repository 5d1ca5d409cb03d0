"""Audits and copies of meetings in tiles, turned calls, and calls with several backgrounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import unveil
from tests.auditing.test_page import Elements
from tests.auditing.test_redact import pictures
from tests.command import call_frames
from tests.footage import write_video
from tests.swaying import HEIGHT, WIDTH, write_footage
from tests.tiles.callers import gallery, use_bright_people, write_scene
from unveil.recovery.tiles import TileRecoveries

U8 = npt.NDArray[np.uint8]

TILE = (96, 72)


@pytest.fixture(scope="module")
def bright_people() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_bright_people(patch)
        yield


@pytest.fixture(scope="module")
def meeting(bright_people: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two callers side by side."""
    return write_scene(tmp_path_factory.mktemp("meeting") / "meeting.mp4", gallery(1, 2, TILE))


@pytest.fixture(scope="module")
def of_meeting(meeting: Path) -> unveil.Audit:
    return unveil.audit(meeting, method="farend")


def shown_room(frames: U8, recovery: unveil.Recovery) -> int:
    """Count the samples that show the claimed colours."""
    claimed = recovery.room[..., 3] > 0
    near = np.abs(frames.astype(int) - recovery.room[..., :3]).max(3) <= 16
    far = np.abs(recovery.room.astype(int) - recovery.background)[..., :3].max(2) > 40
    return int(np.count_nonzero(near & claimed & far))


def test_each_caller_is_audited_and_shown(of_meeting: unveil.Audit, tmp_path: Path) -> None:
    assert isinstance(of_meeting.recovery, TileRecoveries)
    assert [caller.region.folder for caller in of_meeting.callers] == ["tile-1", "tile-2"]
    for caller in of_meeting.callers:
        assert caller.frame is not None
        assert caller.frame.shape == (TILE[1], TILE[0], 3)
        assert caller.moments
    first, second = (caller.frame for caller in of_meeting.callers)
    assert first is not None
    assert second is not None
    assert not np.array_equal(first, second)
    of_meeting.write(tmp_path)
    page = Elements((tmp_path / "index.html").read_text())
    links = [address for address in page.addresses if not address.startswith(("data:", "#"))]
    assert "tile-2/timeline.parquet" in links
    assert [link for link in links if not (tmp_path / link).is_file()] == []
    shares = [caller.leak.leaked_share for caller in of_meeting.callers]
    assert of_meeting.leaked_share == max(shares)
    assert of_meeting.exceeds(min(shares) + 1e-6) == (min(shares) != max(shares))


def test_what_leaks_is_covered_in_each_tile(
    meeting: Path, of_meeting: unveil.Audit, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    done = unveil.redact(meeting, copy, recovered=of_meeting.recovery, method="farend")
    assert done.notes == ()
    before, after = pictures(meeting), pictures(copy)
    for caller in of_meeting.callers:
        (showing,) = caller.region.showings
        assert showing.rectangle is not None
        x, y = showing.rectangle.x, showing.rectangle.y
        tile = np.s_[:, y : y + TILE[1], x : x + TILE[0]]
        shown = shown_room(before[tile], caller.recovery)
        assert shown > 1000
        assert shown_room(after[tile], caller.recovery) < shown / 10


@pytest.mark.parametrize("rotation", [(90,), (-90, True)])
def test_a_turned_call_is_covered_where_it_is_displayed(
    tmp_path: Path, rotation: tuple[float, ...]
) -> None:
    call = write_video(tmp_path / "turned.mp4", call_frames(), rotation=rotation)
    audit = unveil.audit(call, method="transitions")
    frame = audit.callers[0].frame
    assert frame is not None
    assert frame.shape == (64, 48, 3)
    assert audit.moments[0].shot is not None
    assert audit.moments[0].shot.leaking.any()
    copy = tmp_path / "copy.mp4"
    unveil.redact(call, copy, recovered=audit.recovery, method="transitions")
    again = unveil.recover(copy, method="transitions")
    assert again.room.shape == (64, 48, 4)
    assert again.report["coverage"] < 0.1 * audit.callers[0].leak.leaked_share


def test_each_background_covers_its_own_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.auditing.redact.LOOKS", 1)

    def scenery(seed: int) -> U8:
        rng = np.random.default_rng(seed)
        patches = rng.integers(30, 200, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
        return np.kron(patches, np.ones((16, 16, 1), np.uint8))

    call = write_footage(
        tmp_path / "exchange.mp4", lambda number: scenery(1 + number // 28), n_frames=56
    )
    audit = unveil.audit(call, method="farend", person="selfie-landscape")
    assert isinstance(audit.recovery, unveil.Recovery)
    assert len(audit.recovery.others) == 1
    copy = tmp_path / "copy.mp4"
    unveil.redact(call, copy, recovered=audit.recovery, method="farend", person="selfie-landscape")
    before, after = pictures(call).astype(int), pictures(copy).astype(int)
    # Far from the person nothing leaks; the wrong background would be another picture.
    beside = np.s_[:, :, -16:]
    assert np.abs(before[beside] - after[beside]).mean() < 4
