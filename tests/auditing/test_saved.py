"""Audits in folders: which count as complete, and copies that are cut."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import unveil
from unveil.auditing import redact
from unveil.auditing.audit import audit_of
from unveil.auditing.saved import AuditFiles, audits_in, read_audit
from unveil.errors import Interrupted
from unveil.interruption import never
from unveil.progress import Progress, silent
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.result import AUDIT, PAGE, REDACTED, REDACTED_REPORT
from unveil.video.source import source_of


@pytest.fixture
def folder(audited: unveil.Audit, tmp_path: Path) -> Path:
    """Save the audit into a folder."""
    audited.write(tmp_path / "call")
    return tmp_path / "call"


def test_an_audit_is_read_as_it_was_written(audited: unveil.Audit, folder: Path) -> None:
    assert read_audit(folder) == audited.as_dict()
    assert list(audits_in(folder.parent)) == [("call", audited.as_dict())]
    assert AuditFiles().is_complete(folder)


@pytest.mark.parametrize("name", [AUDIT, PAGE])
def test_without_a_file_an_audit_is_not_complete(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert not AuditFiles().is_complete(folder)


def test_a_copy_is_complete_with_its_report(folder: Path) -> None:
    wanted = AuditFiles(redacts=True)
    assert not wanted.is_complete(folder)
    (folder / REDACTED[1]).write_bytes(b"video")
    assert not wanted.is_complete(folder)
    for report, complete in (('{"interrupted": true}', False), ("{", False), ("{}", True)):
        (folder / REDACTED_REPORT).write_text(report)
        assert wanted.is_complete(folder) == complete


@pytest.mark.parametrize(
    "change",
    [
        {"unveil": "0.0.1"},
        {"grade": "E"},
        {"grade": ["A"]},
        {"verdict": None},
        {"input": 3},
        {"leaked_share": "0.1"},
        {"leaked_share": True},
        {"likely_low_share": "0.1"},
        {"callers": []},
        {"callers": {}},
        {"callers": [None]},
        {"callers": [{"leaked_share": 0.5}]},
    ],
)
def test_a_changed_audit_is_not_taken_for_one(
    audited: unveil.Audit, folder: Path, change: dict[str, Any]
) -> None:
    (folder / AUDIT).write_text(json.dumps(audited.as_dict() | change))
    assert read_audit(folder) is None
    assert not AuditFiles().is_complete(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"unveil": '])
def test_a_damaged_audit_is_not_taken_for_one(folder: Path, content: bytes) -> None:
    (folder / AUDIT).write_bytes(content)
    assert read_audit(folder) is None
    assert list(audits_in(folder.parent)) == []


def test_it_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(AuditFiles(redacts=True))) == AuditFiles(redacts=True)


def test_progress_is_told_before_frames_are_read(audited: unveil.Audit, call: Path) -> None:
    """A process that is silent for long is taken to hang."""
    told: list[Progress] = []
    options = RecoverOptions(method="transitions")
    again = audit_of(audited.recovery, source_of(call), options, never, told.append)
    assert again.as_dict() == audited.as_dict()
    assert {progress.stage for progress in told} == {"finalise"}


def test_a_copy_that_is_cut_does_not_remain(
    audited: unveil.Audit, call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    complete: list[bool] = []
    prepare, copied = redact.Cover.notes, redact.redact

    def begin(cover: Any, layout: Any) -> list[str]:
        begun.append(True)
        return prepare(cover, layout)

    def record(*arguments: Any, **options: Any) -> redact.Redaction:
        done = copied(*arguments, **options)
        complete.append(done.complete)
        return done

    monkeypatch.setattr(redact.Cover, "notes", begin)
    monkeypatch.setattr(redact, "redact", record)
    polls = iter(range(1000))
    with pytest.raises(Interrupted):
        AuditFiles(redacts=True).write(
            source_of(call),
            audited.recovery,
            tmp_path,
            {"method": "transitions"},
            silent,
            lambda: bool(begun) and next(polls) > 1,
        )
    assert complete == [False]
    names = {path.name for path in tmp_path.iterdir()}
    assert {AUDIT, PAGE} <= names
    assert not names & {*REDACTED, REDACTED_REPORT}
    assert AuditFiles().is_complete(tmp_path)
