"""Audits of many calls: in processes of their own, side by side, and again what is left."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.auditing.test_page import Elements
from tests.command import unveil
from tests.recovery.segments.calls import files_of
from unveil.auditing import batch
from unveil.auditing.batch import AuditOutcome, audit_all
from unveil.auditing.saved import AuditFiles
from unveil.errors import Interrupted, InvalidParameter, WorkerLost
from unveil.folder_lock import LOCK, claimed
from unveil.recovery.batch import recover_all
from unveil.recovery.result import AUDIT, PAGE, REDACTED, REDACTED_REPORT, REPORT

METHOD = ("--method", "transitions")
OF_THE_RUN = ("seconds", "frames_per_second")


@pytest.fixture(scope="module")
def calls(call: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copy the call under three names."""
    folder = tmp_path_factory.mktemp("calls")
    paths = [folder / f"{name}.mp4" for name in "abc"]
    for path in paths:
        path.write_bytes(call.read_bytes())
    return paths


@pytest.fixture(scope="module")
def one_by_one(calls: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audit the calls one after the other in this process; return their folder."""
    out = tmp_path_factory.mktemp("audits")
    outcomes = audit_all(calls, out, isolate=False, redacts=True, method="transitions", threads=1)
    assert [outcome.state for outcome in outcomes] == ["recovered"] * 3
    return out


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read the files of an audit, its reports without the times of the run."""
    found = files_of(folder)
    report = json.loads(found.pop(REDACTED_REPORT))
    kept = {key: value for key, value in report.items() if key not in OF_THE_RUN}
    return {**found, REDACTED_REPORT: json.dumps(kept).encode()}


@dataclass(frozen=True, slots=True)
class DiesOfB(AuditFiles):
    """Saves the recovery of b.mp4, and ends the process as a fault of native code does."""

    def write(self, source: Any, recovered: Any, folder: Path, *rest: Any) -> None:
        """Write all files of the other calls."""
        if source.name == "b.mp4":
            recovered.save(folder, force=True)
            (folder / PAGE).write_text("half")
            os.kill(os.getpid(), signal.SIGSEGV)
        AuditFiles.write(self, source, recovered, folder, *rest)


def test_a_crash_is_the_failure_of_one_call_and_again_it_is_the_only_one_left(
    calls: list[Path], one_by_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(batch, "AuditFiles", DiesOfB)
        outcomes = audit_all(calls, out, redacts=True, method="transitions", workers=2, threads=2)
    assert [outcome.state for outcome in outcomes] == ["recovered", "failed", "recovered"]
    assert isinstance(outcomes[1].error, WorkerLost)
    assert "b.mp4: the process that read it crashed (SIGSEGV)" in str(outcomes[1].problem)
    assert outcomes[1].audit is None
    for name in ("a", "c"):
        assert bytes_of(out / name) == bytes_of(one_by_one / name)
    index = Elements((out / PAGE).read_text())
    assert {"a/index.html", "c/index.html"} <= set(index.addresses)
    assert "b/index.html" not in index.addresses
    assert "b.mp4: the process that read it crashed" in index.text

    told: list[AuditOutcome] = []
    again = audit_all(
        calls,
        out,
        isolate=False,
        redacts=True,
        on_outcome=told.append,
        method="transitions",
        threads=1,
    )
    assert [outcome.state for outcome in again] == ["skipped", "recovered", "skipped"]
    assert again == told
    for outcome in again:
        assert outcome.folder is not None
        assert bytes_of(outcome.folder) == bytes_of(one_by_one / outcome.folder.name)
        assert outcome.audit == json.loads((outcome.folder / AUDIT).read_text())
    assert (out / PAGE).read_bytes() == (one_by_one / PAGE).read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "c", PAGE]


def test_what_is_skipped_is_judged_from_its_folder(calls: list[Path], one_by_one: Path) -> None:
    pages = [one_by_one / path.stem / PAGE for path in calls]
    before = [page.stat().st_mtime_ns for page in pages]
    command = ("audit", calls[0].parent, "-o", one_by_one, *METHOD)
    done = unveil(*command, "--json", "--fail-over", "5")
    assert done.exit_code == 3
    # They come in the order in which the calls end.
    lines = sorted(map(json.loads, done.stdout.splitlines()), key=lambda line: str(line["page"]))
    assert [line["state"] for line in lines] == ["skipped"] * 3
    assert [line["page"] for line in lines] == [str(page) for page in pages]
    assert lines[0]["audit"] == json.loads((one_by_one / "a" / AUDIT).read_text())
    assert lines[0]["notes"] == ["done before"]
    assert unveil(*command, "--fail-over", "100").exit_code == 0
    assert [page.stat().st_mtime_ns for page in pages] == before
    index = Elements((one_by_one / PAGE).read_text())
    assert {f"{path.stem}/index.html" for path in calls} <= set(index.addresses)
    single = unveil("audit", calls[0], "-o", one_by_one, *METHOD)
    assert single.exit_code == 0
    assert "Grade D." in single.stdout


def test_other_parameters_are_no_skip_and_force_audits_anew(
    calls: list[Path], tmp_path: Path
) -> None:
    command = ("audit", calls[0], "-o", tmp_path, "--json")
    assert unveil(*command, *METHOD).exit_code == 0
    page = tmp_path / "a" / PAGE
    before = page.stat().st_mtime_ns
    other = unveil(*command, "--method", "rarest", "--fail-over", "0")
    assert other.exit_code == 1
    assert "holds an earlier result with other parameters; add --force" in other.stderr
    assert page.stat().st_mtime_ns == before
    forced = unveil(*command, *METHOD, "--force")
    assert json.loads(forced.stdout)["state"] == "audited"
    assert page.stat().st_mtime_ns > before


def test_a_recovery_without_an_audit_gets_one_and_then_a_copy(
    calls: list[Path], tmp_path: Path
) -> None:
    recover_all(calls[:1], tmp_path, method="transitions")
    assert not (tmp_path / "a" / PAGE).exists()
    for wanted in ("audited", "skipped"):
        done = unveil("audit", calls[0], "-o", tmp_path, *METHOD, "--json")
        assert json.loads(done.stdout)["state"] == wanted
    names = {PAGE, AUDIT}
    for wanted in ("audited", "skipped"):
        done = unveil("audit", calls[0], "-o", tmp_path, *METHOD, "--json", "--redact")
        assert json.loads(done.stdout)["state"] == wanted
        names |= {REDACTED[0], REDACTED_REPORT}
        assert names <= {path.name for path in (tmp_path / "a").iterdir()}


def test_a_request_to_stop_keeps_what_is_finished(calls: list[Path], tmp_path: Path) -> None:
    told: list[AuditOutcome] = []
    with pytest.raises(Interrupted):
        audit_all(
            calls,
            tmp_path,
            isolate=False,
            on_outcome=told.append,
            stop=lambda: len(told) > 1,
            method="transitions",
        )
    assert [outcome.state for outcome in told] == ["recovered", "recovered", "not started"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", PAGE]
    index = Elements((tmp_path / PAGE).read_text())
    assert {"a/index.html", "b/index.html"} <= set(index.addresses)


def test_a_list_is_audited_with_events(calls: list[Path], one_by_one: Path) -> None:
    listed = calls[0].parent / "list.txt"
    listed.write_text("a.mp4\nno.mp4\n# c.mp4\n")
    command = ("audit", "--from-file", listed, "-o", one_by_one, *METHOD)
    done = unveil(*command, "--events", "--fail-over", "0")
    assert done.exit_code == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["failed", "started", "skipped", "summary"]
    assert events[0]["audit"] is None
    assert "no such file" in events[0]["error"]
    assert events[2]["audit"]["grade"] == "D"
    assert events[3]["skipped"] == events[3]["failed"] == 1
    table = unveil(*command)
    assert table.exit_code == 1
    assert "bug" not in table.stderr
    assert "no such file" in table.stdout
    assert unveil("audit", "-o", one_by_one).exit_code == 2


def test_of_two_runs_into_one_folder_one_wins(calls: list[Path], tmp_path: Path) -> None:
    with claimed(tmp_path, ["B"]):
        refused = unveil("audit", *calls[:2], "-o", tmp_path, *METHOD, "--force")
        assert refused.exit_code == 1
        (line,) = refused.stderr.splitlines()
        assert f"process {os.getpid()} writes it now" in line
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
        beside = unveil("audit", calls[0], "-o", tmp_path, *METHOD)
        assert beside.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("address", ["memory://bucket/run", "s3://bucket", "https://host/x"])
def test_a_report_at_an_address_is_refused(calls: list[Path], address: str) -> None:
    with pytest.raises(InvalidParameter, match=r"out: .* is an address"):
        audit_all(calls, address, method="transitions")


@pytest.mark.parametrize(
    ("option", "value"), [("workers", 0), ("max_memory", 0), ("watchdog_seconds", 0.0)]
)
def test_options_are_checked_before_the_first_call(
    calls: list[Path], tmp_path: Path, option: str, value: float
) -> None:
    with pytest.raises(InvalidParameter, match=option):
        audit_all(calls, tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_too_little_memory_fails_one_call_and_not_the_command(
    calls: list[Path], tmp_path: Path
) -> None:
    done = unveil("audit", calls[0], "-o", tmp_path / "out", *METHOD, "--max-memory", "1K")
    assert done.exit_code == 1
    assert "a.mp4: frames of 64x48 need at least" in done.stderr
    assert not (tmp_path / "out" / "a" / REPORT).exists()
