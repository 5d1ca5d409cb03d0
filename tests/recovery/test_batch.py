"""Several inputs in a row, as the library runs them."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.command import CALL_FRAMES, write_call
from tests.footage import flip_bytes, textured_frames, write_video
from unveil.errors import (
    FrameTooLarge,
    Interrupted,
    InvalidParameter,
    MissingInput,
    OutputBusy,
    OutputExists,
    OutputUnwritable,
    UnreadableVideo,
)
from unveil.files import read_image
from unveil.progress import Progress
from unveil.recovery.batch import Inputs, gather_inputs, recover_all
from unveil.recovery.jobs import job
from unveil.recovery.jobs.manifest import Manifest
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.result import FILES
from unveil.video.source import resolve_inputs


@pytest.fixture
def call(tmp_path: Path) -> Path:
    return write_call(tmp_path / "call.mp4")


def sources(*paths: Path) -> list[Any]:
    return resolve_inputs([str(path) for path in paths])


def test_each_source_gets_a_folder_and_one_that_fails_stops_no_other(
    tmp_path: Path, call: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    last = write_call(tmp_path / "last.mkv")
    told: list[Outcome] = []
    outcomes = recover_all(
        sources(call, text, last), tmp_path / "out", on_outcome=told.append, method="transitions"
    )
    assert sorted(told, key=lambda outcome: outcome.number or 0) == outcomes
    assert [outcome.state for outcome in outcomes] == ["recovered", "failed", "recovered"]
    assert [outcome.name for outcome in outcomes] == ["call.mp4", "text.mp4", "last.mkv"]
    assert isinstance(outcomes[1].error, UnreadableVideo)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["call", "last"]
    for outcome in (outcomes[0], outcomes[2]):
        assert outcome.folder is not None
        assert sorted(path.name for path in outcome.folder.iterdir()) == sorted(FILES)
        assert json.loads((outcome.folder / "report.json").read_text())["frames_read"] == 40
        assert (read_image(outcome.folder / "room.png")[..., 3] > 0).any()


def test_no_earlier_report_stands_beside_a_preview(tmp_path: Path, call: Path) -> None:
    """A forced run that is interrupted must not leave old figures beside new pictures."""
    out = tmp_path / "out"
    recover_all(sources(call), out, method="rarest")
    earlier = (out / "call" / "room.png").read_bytes()

    def interrupt(source: object, progress: Progress) -> None:
        if (out / "call" / "room.png").read_bytes() != earlier:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover_all(
            sources(call),
            out,
            force=True,
            preview_seconds=1e-6,
            chunk_frames=8,
            progress=interrupt,
            method="transitions",
        )
    assert (out / "call" / "room.png").read_bytes() != earlier
    assert not (out / "call" / "report.json").exists()


def test_an_outcome_tells_its_figures(tmp_path: Path, call: Path) -> None:
    (outcome,) = recover_all(sources(call), tmp_path / "out", chunk_frames=7, method="transitions")
    told = outcome.as_dict()
    assert told["frames_read"] == told["frames_used"] == CALL_FRAMES
    assert told["frames_damaged"] == 0
    assert told["video_seconds"] == pytest.approx((CALL_FRAMES - 1) / 30, abs=1e-3)
    assert 0 < told["wall_seconds"] < 60
    assert told["frames_per_second"] > 0
    assert told["times_real_time"] == pytest.approx(
        told["video_seconds"] * told["frames_per_second"] / CALL_FRAMES
    )
    assert 0 < told["coverage"] <= 1
    assert told["error"] is None
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_an_outcome_of_nothing_is_ready_for_json_too() -> None:
    told = Outcome("call.mp4", "not started").as_dict()
    assert told["frames_read"] is told["frames_per_second"] is told["folder"] is None
    json.dumps(told, allow_nan=False)


def test_missing_inputs_are_failed_and_the_rest_found(tmp_path: Path, call: Path) -> None:
    found = gather_inputs([str(tmp_path / "no.mp4"), str(call), str(tmp_path / "*.webm")])
    assert [source.name for source in found.sources] == ["call.mp4"]
    assert [outcome.state for outcome in found.missing] == ["failed", "failed"]
    assert all(isinstance(outcome.error, MissingInput) for outcome in found.missing)
    assert "no.mp4: no such file" in str(found.missing[0].problem)


def test_sources_of_one_stem_get_two_folders(tmp_path: Path, call: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = write_call(tmp_path / "other" / "call.mp4")
    outcomes = recover_all(
        sources(call, twin), tmp_path / "out", isolate=False, method="transitions"
    )
    assert [outcome.folder for outcome in outcomes] == [
        tmp_path / "out" / "call",
        tmp_path / "out" / "call-2",
    ]


def test_an_earlier_result_is_refused_before_anything_is_decoded(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (out / "call").mkdir(parents=True)
    (out / "call" / "report.json").write_text("earlier")
    stages: list[Progress] = []
    (outcome,) = recover_all(
        sources(call), out, progress=lambda _, p: stages.append(p), method="transitions"
    )
    assert isinstance(outcome.error, OutputExists)
    assert "--force" in str(outcome.problem)
    assert not stages
    assert (out / "call" / "report.json").read_text() == "earlier"
    (outcome,) = recover_all(sources(call), out, force=True, method="transitions")
    assert outcome.state == "recovered"


def test_nothing_is_begun_where_out_cannot_be_written(tmp_path: Path, call: Path) -> None:
    (tmp_path / "out").write_text("a file")
    told: list[Outcome] = []
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputUnwritable, match="out"):
            recover_all(sources(call), out, on_outcome=told.append, method="transitions")
    assert not told


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("bits", {"bits": 9}),
        ("threshold", {"threshold": float("nan")}),
        ("chunk_frames", {"chunk_frames": 0}),
        ("end_seconds", {"start_seconds": 2.0, "end_seconds": 1.0}),
        ("stride", {"stride": 0}),
        ("preview_seconds", {"preview_seconds": 0.0}),
        ("preview_seconds", {"preview_seconds": float("nan")}),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_begun(
    tmp_path: Path, call: Path, named: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match=f"^{named}: "):
        recover_all(sources(call), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_failed_source_leaves_no_empty_folder(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    (outcome,) = recover_all(sources(text), tmp_path / "out", method="transitions")
    assert outcome.state == "failed"
    assert not (tmp_path / "out").exists()


def test_ctrl_c_tells_what_was_not_finished_and_not_started(tmp_path: Path, call: Path) -> None:
    others = [write_call(tmp_path / f"{n}.mp4") for n in range(3)]
    told: list[Outcome] = []

    def press_ctrl_c(source: Any, progress: Progress) -> None:
        if source.name == "0.mp4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover_all(
            sources(call, *others),
            tmp_path / "out",
            isolate=False,
            progress=press_ctrl_c,
            on_outcome=told.append,
            method="transitions",
        )
    assert [(outcome.name, outcome.state) for outcome in told] == [
        ("call.mp4", "recovered"),
        ("0.mp4", "interrupted"),
        ("1.mp4", "not started"),
        ("2.mp4", "not started"),
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["call"]


def test_a_request_to_stop_tells_the_same(tmp_path: Path, call: Path) -> None:
    told: list[Outcome] = []
    asked = threading.Event()

    def ask(source: Any, progress: Progress) -> None:
        if source.name == "0.mp4" and progress.stage == "prepare":
            asked.set()

    others = [write_call(tmp_path / f"{n}.mp4") for n in range(2)]
    with pytest.raises(Interrupted):
        recover_all(
            sources(call, *others),
            tmp_path / "out",
            isolate=False,
            progress=ask,
            on_outcome=told.append,
            stop=asked.is_set,
            method="transitions",
        )
    assert [outcome.state for outcome in told] == ["recovered", "interrupted", "not started"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["call"]


def test_a_request_that_comes_too_late_changes_nothing(tmp_path: Path, call: Path) -> None:
    asked = threading.Event()
    (outcome,) = recover_all(
        sources(call),
        tmp_path / "out",
        progress=lambda source, progress: progress.stage == "finalise" and asked.set(),
        stop=asked.is_set,
        method="transitions",
    )
    assert asked.is_set()
    assert outcome.state == "recovered"
    assert not outcome.report["interrupted"]


def test_a_live_source_that_was_ended_ends_the_batch(tmp_path: Path, call: Path) -> None:
    """One by one, whoever ends a recording would start the next one."""
    write_call(tmp_path / "later.mp4")
    camera, later = (replace(source, live=True) for source in sources(call, tmp_path / "later.mp4"))
    told: list[Outcome] = []
    calls = itertools.count()
    with pytest.raises(Interrupted):
        recover_all(
            [camera, later],
            tmp_path / "out",
            on_outcome=told.append,
            stop=lambda: next(calls) > 12,
            method="transitions",
            chunk_frames=1,
        )
    assert [outcome.state for outcome in told] == ["recovered", "not started"]
    assert told[0].report["interrupted"]


def test_previews_are_written_while_it_runs(tmp_path: Path, call: Path) -> None:
    seen: list[set[str]] = []
    folder = tmp_path / "out" / "call"

    def look(source: Any, progress: Progress) -> None:
        if progress.stage == "finalise":
            seen.append({path.name for path in folder.iterdir()})

    recover_all(
        sources(call),
        tmp_path / "out",
        preview_seconds=1e-6,
        chunk_frames=4,
        progress=look,
        method="transitions",
    )
    assert seen == [{"room.png", "background.png"}]
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_a_preview_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, picture: Any) -> None:
        raise OutputUnwritable(f"{path}: no space")

    monkeypatch.setattr(job, "write_png", fail)
    (outcome,) = recover_all(
        sources(call), tmp_path / "out", preview_seconds=1e-6, chunk_frames=4, method="transitions"
    )
    assert outcome.state == "recovered"
    assert len(outcome.notes) == 1
    assert "no preview" in outcome.notes[0]


def test_damage_is_noted(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", textured_frames(30))
    damaged = flip_bytes(whole, tmp_path / "damaged.mkv", 0.3, 0.7, 200)
    (outcome,) = recover_all(sources(damaged), tmp_path / "out", method="transitions")
    assert outcome.state == "recovered"
    assert outcome.report["frames_read"] + outcome.report["frames_damaged"] <= 30
    assert any("damaged" in note for note in outcome.notes)


def test_a_bug_is_an_outcome_too(
    tmp_path: Path, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(recovery: object, folder: Path, *, force: bool = False) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("unveil.recovery.result.Recovery.save", fail)
    (outcome,) = recover_all(sources(call), tmp_path / "out", method="transitions")
    assert outcome.state == "failed"
    assert outcome.problem == "call.mp4: ZeroDivisionError: division by zero"


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_what_is_done_is_skipped_and_anything_else_is_not(tmp_path: Path, call: Path) -> None:
    out = tmp_path / "out"
    (first,) = recover_all([call], out, method="transitions")
    made = (out / "call" / "room.png").stat()
    (second,) = recover_all([call], out, method="transitions", threads=1, chunk_frames=3)
    assert second.state == "skipped"
    assert second.notes == ("done before",)
    assert (out / "call" / "room.png").stat() == made
    same = first.as_dict() | {"state": "skipped", "notes": ["done before"]}
    told = second.as_dict()
    for unknown in ("wall_seconds", "frames_per_second", "times_real_time"):
        assert told.pop(unknown) is None
        del same[unknown]
    assert told == same
    # Other parameters, other content, and a result that lacks a file.
    (other,) = recover_all([call], out, method="rarest")
    assert isinstance(other.error, OutputExists)
    assert "with other parameters; add --force" in str(other.error)
    write_video(call, textured_frames(4, 48, 64))
    (other,) = recover_all([call], out, method="transitions")
    assert "of another recording; add --force" in str(other.error)
    (forced,) = recover_all([call], out, force=True, method="transitions")
    assert forced.state == "recovered"
    (out / "call" / "stats.parquet").unlink()
    (other,) = recover_all([call], out, method="transitions")
    assert isinstance(other.error, OutputExists)


def test_a_result_of_another_version_is_not_taken(tmp_path: Path, call: Path) -> None:
    out = tmp_path / "out"
    recover_all([call], out, method="transitions")
    report = out / "call" / "report.json"
    report.write_text(json.dumps(json.loads(report.read_text()) | {"unveil": "0.0.1"}))
    (outcome,) = recover_all([call], out, method="transitions")
    assert "of another version" in str(outcome.error)


def test_what_a_killed_run_has_left_is_done_again(tmp_path: Path, call: Path) -> None:
    out = tmp_path / "out"
    (out / "call").mkdir(parents=True)
    (out / "call" / "room.png").write_text("half")
    (out / "call" / ".stats.0a1b2c3d.part.parquet").write_text("half")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run = {"pid": ended.pid, "host": socket.gethostname(), "started": "", "id": "x"}
    lock = out / ".unveil.lock"
    lock.write_text(json.dumps({"runs": [{**run, "names": ["call"]}]}))
    (outcome,) = recover_all([call], out, method="transitions")
    assert outcome.state == "recovered"
    assert sorted(path.name for path in (out / "call").iterdir()) == sorted(FILES)
    assert [path.name for path in out.iterdir()] == ["call"]


def test_of_two_runs_into_one_folder_one_wins(tmp_path: Path, call: Path) -> None:
    out = tmp_path / "out"
    refused: list[Exception] = []

    def run_again(source: Any, progress: Progress) -> None:
        if not refused:
            with pytest.raises(OutputBusy, match="writes it now") as busy:
                recover_all([call], out, force=True, method="transitions")
            refused.append(busy.value)

    (outcome,) = recover_all([call], out, progress=run_again, method="transitions")
    assert refused
    assert outcome.state == "recovered"
    assert [path.name for path in out.iterdir()] == ["call"]


def test_a_manifest_keeps_its_rows(tmp_path: Path, call: Path) -> None:
    (tmp_path / "calls").mkdir()
    inside = write_call(tmp_path / "calls" / "call.mp4")
    listed = (str(tmp_path / "no.mp4"), str(inside), str(call), str(call))
    found = gather_inputs([call], Manifest(listed))
    assert [source.stem for source in found.sources] == ["call", "call-2"]
    assert found.rows == {"call": 2, "call-2": 1}
    assert found.missing_rows == [0]
    assert len(found) == 3


def test_thousands_of_one_name_are_named_quickly(tmp_path: Path, call: Path) -> None:
    paths = [tmp_path / str(number) / "call.mp4" for number in range(3000)]
    found = resolve_inputs([replace(sources(call)[0], url=f"file:{path}") for path in paths])
    assert [source.stem for source in found[:2]] == ["call", "call-2"]
    assert found[-1].stem == "call-3000"


def test_memory_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    large = write_video(tmp_path / "large.mp4", textured_frames(3, 480, 640))
    for size, why in ((2**20, "need at least"), (4 * 2**20, "of state")):
        (outcome,) = recover_all(
            [large], tmp_path / "out", max_memory=size, tiles="off", method="transitions"
        )
        assert isinstance(outcome.error, FrameTooLarge)
        assert why in str(outcome.error)
    (outcome,) = recover_all([large], tmp_path / "out", max_memory=2**31, method="transitions")
    assert outcome.state == "recovered"


def test_inputs_of_nothing_are_nothing(tmp_path: Path) -> None:
    assert recover_all(Inputs([]), tmp_path / "out") == []
    assert not (tmp_path / "out").exists()
