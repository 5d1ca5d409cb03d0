"""docs/outputs.md against real outputs: every field, column and array, and no other."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import unveil
from tests.astronaut_call import use_tiny_evaluation
from tests.markdown_page import ROOT, code_in, tables_of
from tests.recovery.decide.test_blurred import recovered_behind
from tests.swaying import HEIGHT, WIDTH, write_footage
from tests.tiles.callers import gallery, use_bright_people, write_scene
from unveil.cli import app
from unveil.interruption import SIGNAL_NAMES
from unveil.recovery.result import FILES
from unveil.recovery.tiles import TileRecoveries, recover_tiles

U8 = npt.NDArray[np.uint8]

TABLES = tables_of(ROOT / "docs" / "outputs.md")
METHODS: tuple[Literal["farend", "transitions", "rarest"], ...] = (
    "farend",
    "transitions",
    "rarest",
)
PERIOD = 20

WITH_MASK = "with a person mask"
"""Mark of the arrays of states that have surveys of the person."""

BY_NAME = {"models"}
"""Objects whose keys are names of networks, and no fields."""


def documented(heading: str) -> dict[str, list[str]]:
    """Rows of the table below a heading by the code in their first cells."""
    rows = {code_in(row[0])[0]: row for row in TABLES[heading]}
    assert len(rows) == len(TABLES[heading]), f"{heading}: a name occurs twice"
    return rows


def fields_of(value: Any, name: str = "") -> Iterator[str]:
    """Dotted names of all fields of a JSON object; `[]` marks an array of objects."""
    if isinstance(value, Mapping) and name not in BY_NAME:
        for key, item in value.items():
            yield from fields_of(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for item in value:
            yield from fields_of(item, f"{name}[]")
    else:
        yield name


def fields_of_all(*objects: Any) -> set[str]:
    """Fields of several objects together; null where others have an object is no field."""
    names = {name for found in objects for name in fields_of(found)}
    return {
        name
        for name in names
        if not any(other.startswith((f"{name}.", f"{name}[]")) for other in names)
    }


def told(*arguments: object) -> Any:
    """Run a command and read the JSON that it prints."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def scenery(seed: int) -> U8:
    """Coloured patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(30, 200, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    return np.kron(patches, np.ones((16, 16, 1), np.uint8))


def with_noise(picture: U8, number: int) -> U8:
    """Change one pixel of ten."""
    rng = np.random.default_rng(number)
    noisy = rng.random(picture.shape[:2]) < 0.1
    picture[noisy] = rng.integers(0, 256, (np.count_nonzero(noisy), 3))
    return picture


BACKGROUNDS: dict[str, tuple[Callable[[int], U8], int]] = {
    "pan": (lambda number: np.roll(scenery(1), 2 * number, axis=1), 100),
    "loop": (lambda number: scenery(number % PERIOD), 100),
    "exchange": (lambda number: scenery(1 + number // 28), 56),
    "noise": (lambda number: with_noise(scenery(1), number), 70),
}
"""Backgrounds of which reports have fields of their own, and the frames that it takes."""


def recovered(video: Path, **options: Any) -> unveil.Recovery:
    return unveil.recover(video, method="farend", person="selfie-landscape", **options)


def test_every_field_of_a_recovery_report_is_documented_and_no_other(
    inputs: Path, tmp_path: Path
) -> None:
    whole = recovered(inputs / "call.mp4", background=inputs / "beach.jpg")
    whole.save(tmp_path / "whole")
    reports = [json.loads((tmp_path / "whole" / "report.json").read_text())]
    reports.append(dict(recovered(inputs / "call.mp4", crop="96:96").report))
    others: list[unveil.Recovery] = []
    for name, (behind, n_frames) in BACKGROUNDS.items():
        video = write_footage(tmp_path / f"{name}.mp4", behind, n_frames=n_frames)
        recovery = recovered(video)
        reports.append(dict(recovery.report))
        others += recovery.others
    video = write_scene(tmp_path / "meeting.mp4", gallery(1, 2, (96, 72)))
    with pytest.MonkeyPatch.context() as patch:
        use_bright_people(patch)
        meeting = recover_tiles(video, method="farend")
    assert isinstance(meeting, TileRecoveries)
    reports += [dict(meeting.report), *(dict(tile.report) for tile in meeting.tiles)]
    reports.append(dict(recovered_behind("blur").report))
    unveil.recover_all([inputs / "call.mp4"], tmp_path / "batch", method="transitions")
    reports.append(json.loads((tmp_path / "batch" / "call" / "report.json").read_text()))
    known = documented("report.json of recover")
    assert fields_of_all(*reports) == known.keys()
    (other,) = others
    assert fields_of_all(dict(other.report), *reports) <= known.keys()


@pytest.mark.parametrize("name", ["stats.parquet", "timeline.parquet"])
def test_every_column_is_documented_with_its_type_and_unit(
    inputs: Path, tmp_path: Path, name: str
) -> None:
    recovered(inputs / "call.mp4").save(tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / name)
    arrow_names = {"float": "float32", "double": "float64"}
    real = {
        field.name: [arrow_names.get(str(field.type), str(field.type)), field.metadata[b"unit"]]
        for field in schema
    }
    rows = documented(name)
    assert {name: [*code_in(row[1]), row[2].encode()] for name, row in rows.items()} == real
    assert list(rows) == schema.names
    assert all(row[3] for row in rows.values())


def test_every_column_of_a_catalogue_is_documented_with_its_type_and_unit(
    inputs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "all.parquet"
    unveil.audit_all([inputs / "no.mp4"], tmp_path / "out", catalogue=path)
    schema = pq.read_schema(path)
    real = [(field.name, str(field.type), field.metadata[b"unit"]) for field in schema]
    arrow_names = {"double": "float64"}
    rows = TABLES["Catalogue"]
    assert [(code_in(row[0])[0], code_in(row[1])[0], row[2].encode()) for row in rows] == [
        (name, arrow_names.get(kind, kind), unit) for name, kind, unit in real
    ]


def test_every_event_is_documented_with_its_fields(inputs: Path, tmp_path: Path) -> None:
    arguments = ["recover", inputs / "call.mp4", inputs / "no.mp4", "-o", tmp_path / "out"]
    arguments += ["--method", "transitions", "--events"]
    seen: dict[str, set[str]] = {}
    for _ in range(2):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        for line in done.stdout.splitlines():
            event = json.loads(line)
            seen[event["event"]] = set(event) - {"event"}
    rows = documented("recover --events")
    assert seen.keys() == rows.keys() - {"interrupted", "not_started"}
    result = documented("recover --json").keys()
    for event, fields in seen.items():
        assert fields == (set(code_in(rows[event][1])) or result)


def test_every_field_that_the_commands_print_is_documented_and_no_other(
    inputs: Path, tmp_path: Path
) -> None:
    video, out = inputs / "call.mp4", tmp_path / "out"
    outcome = told("recover", video, "-o", out, "--method", "farend", "--json")
    assert fields_of_all(outcome) == documented("recover --json").keys()
    photo = told("score", out / "call", "--truth", inputs / "photo.png", "--json")
    assert fields_of_all(photo) == documented("score --json with a photo").keys()
    truth = told("score", out / "call", "--truth", inputs / "truth.npz", "--json")
    assert fields_of_all(truth) == documented("score --json with a truth").keys()
    protected = tmp_path / "protected.mp4"
    report = told("protect", inputs / "talk.mp4", "-o", protected, "--model", "lite", "--json")
    assert fields_of_all(report) == documented("Report of protect").keys()
    assert report == json.loads((tmp_path / "protected.report.json").read_text())
    size = ("--height", 64, "--width", 96, "--seconds", 1)
    made = told("shield", inputs / "beach.jpg", "-o", tmp_path / "shield.mp4", *size, "--json")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_evaluation(patch)
        evaluated = told("shield", tmp_path / "shield.mp4", "--evaluate", "--json")
    assert fields_of_all(made, evaluated) == documented("shield --json").keys()


def test_every_field_of_an_audit_is_documented_and_no_other(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.auditing.redact.LOOKS", 1)
    video, out = inputs / "call.mp4", tmp_path / "out"
    line = told("audit", video, "-o", out, "--method", "farend", "--redact", "--json")
    audit = json.loads((out / "call" / "audit.json").read_text())
    assert line.pop("audit") == audit
    assert {*fields_of_all(line), "audit"} == documented("audit --json").keys()
    assert fields_of_all(audit) == documented("audit.json").keys()
    again = ["audit", str(video), "-o", str(out), "--method", "farend", "--redact", "--events"]
    events = [json.loads(line) for line in CliRunner().invoke(app, again).stdout.splitlines()]
    assert [event["event"] for event in events] == ["started", "skipped", "summary"]
    assert events[1].keys() - {"event"} == documented("audit --json").keys()
    report = json.loads((out / "call" / "redacted.report.json").read_text())
    assert fields_of_all(report) == documented("Report of redact").keys()
    files = {path.name for path in (out / "call").iterdir()} - set(FILES)
    rows = TABLES["unveil audit"]
    listed = {name for row in rows for name in code_in(row[0])}
    assert files - {"redacted.report.json"} == listed - {"redacted.mkv"}


def test_every_array_of_a_truth_is_documented_and_no_other(inputs: Path) -> None:
    with np.load(inputs / "truth.npz") as stored:
        real = {name: (str(array.dtype), array.ndim) for name, array in stored.items()}
    rows = documented("truth.npz")
    assert {name: (code_in(row[1])[0], row[2].count(",") + 1) for name, row in rows.items()} == real


@pytest.mark.parametrize("method", METHODS)
def test_every_array_of_a_state_is_documented_and_no_other(
    inputs: Path, tmp_path: Path, method: Literal["farend", "transitions", "rarest"]
) -> None:
    engine = unveil.Engine(HEIGHT, WIDTH, method=method, person="selfie-landscape")
    with av.open(str(inputs / "call.mp4")) as container:
        for frame in container.decode(video=0):
            engine.push(frame)
    engine.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as stored:
        real = {name: str(array.dtype) for name, array in stored.items()}
    real["slots"] = "record"
    labels = {"all", WITH_MASK} if method == "farend" else {"all"}
    rows = [row for row in TABLES["State files"] if row[1] in labels or method in code_in(row[1])]
    assert {code_in(row[0])[0]: row[2].replace("`", "") for row in rows} == real


def test_a_state_of_auto_holds_those_of_two_methods(inputs: Path, tmp_path: Path) -> None:
    engine = unveil.Engine(HEIGHT, WIDTH, person="selfie-landscape")
    with av.open(str(inputs / "call.mp4")) as container:
        frame = next(container.decode(video=0))
    engine.push(frame)
    engine.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as stored:
        real = set(stored.files)
    rows = TABLES["State files"]
    shared = {code_in(row[0])[0] for row in rows if row[1] == "all"} - {"header"}
    unprefixed = {"`auto`", WITH_MASK}
    expected = {"header"} | {code_in(row[0])[0] for row in rows if row[1] in unprefixed}
    for method in ("farend", "transitions"):
        own = {code_in(row[0])[0] for row in rows if method in code_in(row[1])}
        expected |= {f"{method}_{name}" for name in own | shared}
    assert real == expected


def test_the_exit_codes_are_documented(inputs: Path, tmp_path: Path) -> None:
    (done, failed, misused, exceeded, *by_signal) = (int(row[0]) for row in TABLES["Exit codes"])
    score = ["score", str(inputs / "photo.png"), "--truth"]
    assert CliRunner().invoke(app, [*score, str(inputs / "photo.png")]).exit_code == done
    assert CliRunner().invoke(app, [*score, str(tmp_path / "no.png")]).exit_code == failed
    refused = CliRunner().invoke(app, [*score, str(inputs / "photo.png"), "--threshold", "101"])
    assert refused.exit_code == misused
    leaks = ["audit", str(inputs / "call.mp4"), "-o", str(tmp_path / "out"), "--fail-over", "0"]
    assert CliRunner().invoke(app, leaks).exit_code == exceeded
    numbers = (getattr(signal, name, None) for name in SIGNAL_NAMES)
    assert set(by_signal) >= {128 + number for number in numbers if number is not None}
