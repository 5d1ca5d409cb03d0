"""Frames of worst moments: whole seconds are read, and those that show most of the room chosen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.auditing.audits import recovery_of
from unveil.auditing.audit import audit_of
from unveil.auditing.frames import ShotReader, worst_shots
from unveil.auditing.regions import Region
from unveil.recovery.leak_times import LeakTimes
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.result import Recovery
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

HEIGHT, WIDTH, FRAME_RATE = 64, 96, 10
ROOM, BACKGROUND, PERSON = (230, 130, 40), (40, 160, 60), (120, 60, 160)
SHOWN_COLUMNS = (16, 0, 48, 32, 8, 24, 40)
"""Columns that show the room in each second, in one frame only."""

SECONDS = [(float(second), second + 1.0) for second in range(len(SHOWN_COLUMNS))]


def frame_of(number: int) -> npt.NDArray[np.uint8]:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[...] = BACKGROUND
    if number % FRAME_RATE == 4:
        picture[:, : SHOWN_COLUMNS[number // FRAME_RATE]] = ROOM
    picture[:, 80:] = PERSON
    return picture


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("call") / "call.mp4"
    with VideoWriter(
        path, height=HEIGHT, width=WIDTH, frame_rate=FRAME_RATE, crf=4, preset="veryfast"
    ) as writer:
        for number in range(FRAME_RATE * len(SHOWN_COLUMNS)):
            writer.write(frame_of(number))
    return path


def recovery() -> Recovery:
    """Claim all but the right edge, in bins that are told to leak less and less."""
    confidence = np.zeros((HEIGHT, WIDTH), np.float32)
    confidence[:, :88] = 0.3
    start = np.arange(float(len(SHOWN_COLUMNS)))
    leaked = 0.2 / 2**start
    times = LeakTimes(start, start + 1, leaked, leaked / 2, leaked / 4, confidence.size)
    one = recovery_of(confidence, leak_times=times)
    parameters = {**one.report["parameters"], "person": "none"}
    return replace(one, report={**one.report, "parameters": parameters})


def reader_of(path: Path) -> ShotReader:
    return ShotReader(source_of(path), Region(recovery()), threads=1, stream=None)


def test_all_frames_of_a_second_are_read(path: Path) -> None:
    shown = reader_of(path).most_shown(SECONDS)
    np.testing.assert_allclose(
        [share for share, _ in shown], np.array(SHOWN_COLUMNS) / WIDTH, atol=0.03
    )
    for second, (_, held) in enumerate(shown):
        assert held is not None
        if SHOWN_COLUMNS[second]:
            assert held.seconds == pytest.approx(second + 0.4)


def test_a_stretch_without_frames_shows_nothing(path: Path) -> None:
    assert reader_of(path).most_shown([(50.0, 51.0)]) == [(0.0, None)]


def test_the_first_moment_and_those_that_show_most_are_chosen(path: Path) -> None:
    chosen, note = worst_shots(reader_of(path), SECONDS, 4)
    assert note is None
    assert [number for number, _ in chosen] == [0, 2, 3, 6]
    for number, shot in chosen:
        assert shot is not None
        columns = np.flatnonzero(shot.leaking.mean(0) > 0.5)
        assert len(columns) == pytest.approx(SHOWN_COLUMNS[number], abs=2)


def test_a_file_that_is_gone_has_the_first_moments_without_frames(
    path: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(path, tmp_path / "gone.mp4"))
    source = source_of(copy)
    copy.unlink()
    reader = ShotReader(source, Region(recovery()), threads=1, stream=None)
    chosen, note = worst_shots(reader, SECONDS, 2)
    assert chosen == [(0, None), (1, None)]
    assert note is not None
    assert "no frames of the call are shown" in note


@pytest.mark.parametrize(("background", "first"), [("still", [0, 2, 3, 5, 6]), ("pans", range(5))])
def test_an_audit_chooses_among_more_moments_before_a_still_background(
    path: Path, background: str, first: list[int]
) -> None:
    one = recovery()
    selection = {"crop": None}
    report = {**one.report, "background": background, "selection": selection}
    audited = audit_of(replace(one, report=report), source_of(path), RecoverOptions(threads=1))
    assert [moment.start_seconds for moment in audited.moments] == list(first)
    shares = [moment.leaked_share for moment in audited.moments]
    assert shares == sorted(shares, reverse=True)
