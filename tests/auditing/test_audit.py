"""Audits of a real, small call: what is found, read again and written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unveil
from tests.auditing.test_page import Elements
from tests.command import CALL_FRAMES
from unveil.auditing.audit import audit_of
from unveil.errors import Interrupted, OutputExists
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.result import AUDIT, AUDIT_FILES, FILES, PAGE, TIMELINE
from unveil.video.source import source_of

OPTIONS = RecoverOptions(method="transitions")


def test_an_audit_grades_the_share_of_the_recovery(audited: unveil.Audit) -> None:
    assert isinstance(audited.recovery, unveil.Recovery)
    share = audited.recovery.report["coverage"]
    assert audited.leaked_share == pytest.approx(share)
    assert audited.grade is not None
    assert audited.grade.letter == "D"
    assert f"About {100 * share:.0f}% of the room" in audited.verdict
    assert audited.exceeds(share - 0.001)
    assert not audited.exceeds(share + 0.001)


def test_moments_are_the_worst_ones_and_show_what_leaks(audited: unveil.Audit) -> None:
    assert isinstance(audited.recovery, unveil.Recovery)
    times = audited.recovery.leak_times
    assert times is not None
    assert audited.moments
    shares = [moment.leaked_share for moment in audited.moments]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(times.leaked_share.max())
    for moment in audited.moments:
        assert moment.shot is not None
        assert moment.start_seconds <= moment.shot.seconds < moment.end_seconds
        room = audited.recovery.room[..., :3].astype(int)
        claimed = audited.recovery.room[..., 3] > 0
        near = claimed & (np.abs(moment.shot.picture - room).max(2) <= 8)
        assert np.count_nonzero(near) > 50
        assert np.array_equal(moment.shot.leaking & near, near)
        green = np.abs(moment.shot.picture.astype(int) - (40, 160, 60)).max(2) <= 8
        assert not (moment.shot.leaking & green).any()


def test_the_frame_is_that_of_the_worst_moment(audited: unveil.Audit) -> None:
    first = audited.moments[0].shot
    frame = audited.callers[0].frame
    assert first is not None
    assert frame is first.picture
    assert frame.shape == (48, 64, 3)


def test_an_audit_is_written_beside_its_recovery(audited: unveil.Audit, tmp_path: Path) -> None:
    audited.write(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*FILES, PAGE, AUDIT}
    stored = json.loads((tmp_path / "out" / AUDIT).read_text())
    assert stored == audited.as_dict()
    page = Elements((tmp_path / "out" / PAGE).read_text())
    links = [address for address in page.addresses if not address.startswith(("data:", "#"))]
    assert TIMELINE in links
    assert [link for link in links if not (tmp_path / "out" / link).is_file()] == []


def test_an_earlier_audit_is_replaced_as_a_whole_and_only_with_force(
    audited: unveil.Audit, tmp_path: Path
) -> None:
    for name in AUDIT_FILES:
        (tmp_path / name).write_text("earlier")
    with pytest.raises(OutputExists, match="--force"):
        audited.write(tmp_path)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"earlier"}
    audited.recovery.save(tmp_path, force=True)
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_the_same_call_gives_the_same_page(call: Path, audited: unveil.Audit) -> None:
    again = unveil.audit(call, method="transitions", threads=1)
    report = {**audited.recovery.report, "threads": 1}
    assert again.page() == audited.page()
    assert {**again.recovery.report, "seconds": 0} == {**report, "seconds": 0}


def test_without_times_a_frame_of_the_middle_is_shown(call: Path, audited: unveil.Audit) -> None:
    assert isinstance(audited.recovery, unveil.Recovery)
    timeless = replace(audited.recovery, leak_times=None)
    again = audit_of(timeless, source_of(call), OPTIONS)
    assert again.moments == ()
    assert again.callers[0].frame is not None
    assert "can be reconstructed; " in again.verdict


def test_a_call_that_is_gone_meanwhile_is_audited_without_frames(
    call: Path, audited: unveil.Audit, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(call, tmp_path / "copy.mp4"))
    source = source_of(copy)
    copy.write_bytes(b"something else")
    again = audit_of(audited.recovery, source, OPTIONS)
    assert again.callers[0].frame is None
    assert any("no frames of the call are shown" in warning for warning in again.warnings)
    assert again.verdict == audited.verdict
    assert "The recovered room" in Elements(again.page()).text
    copy.unlink()
    assert audit_of(audited.recovery, source, OPTIONS).callers[0].frame is None


def test_a_request_to_stop_ends_the_second_reading(call: Path, audited: unveil.Audit) -> None:
    with pytest.raises(Interrupted):
        audit_of(audited.recovery, source_of(call), OPTIONS, stop=lambda: True)


def test_times_count_from_the_beginning_of_the_call_with_a_selection(call: Path) -> None:
    late = unveil.audit(call, method="transitions", start_seconds=0.6)
    assert late.moments
    for moment in late.moments:
        assert moment.shot is not None
        assert 0.6 - 1e-6 <= moment.shot.seconds < CALL_FRAMES / 30
