"""Names of outputs and reports, earlier results, and what a failure leaves."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import unveil
from tests.footage import write_video
from tests.protection.talks import sitting, white
from tests.sitter import Watcher, decoded, seated
from unveil.errors import (
    InvalidParameter,
    MissingInput,
    NoFrames,
    OutputExists,
    OutputUnwritable,
)
from unveil.protection.sinks import output_of


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "video.mp4", sitting(4), rate=25)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def broken_at(number: int) -> Watcher:
    """Stop at a frame as a failing run does."""

    def answer(asked: int) -> Any:
        if asked == number:
            raise SystemExit("stop")
        return seated()

    return Watcher(answer)


# Reports


def told_output(path: Path) -> str:
    return str(json.loads(path.read_text())["output"]["name"])


def test_outputs_of_one_stem_keep_their_own_reports(tmp_path: Path, video: Path) -> None:
    for name in ("talk.mkv", "talk.mp4"):
        white(video, tmp_path / name)
    wanted = {"talk.report.json": "talk.mkv", "talk.mp4.report.json": "talk.mp4"}
    assert names(tmp_path) == sorted(["talk.mkv", "talk.mp4", *wanted])
    for _ in range(2):
        assert {name: told_output(tmp_path / name) for name in wanted} == wanted
        white(video, tmp_path / "talk.mp4", force=True)
    white(video, tmp_path / "talk.mkv", force=True, end_seconds=0.08)
    assert json.loads((tmp_path / "talk.report.json").read_text())["frames"] == 2
    assert json.loads((tmp_path / "talk.mp4.report.json").read_text())["frames"] == 4


def test_patterns_of_one_label_keep_their_own_reports(tmp_path: Path, video: Path) -> None:
    for name in ("frame-%d.png", "frame_%d.png"):
        white(video, tmp_path / name)
    assert told_output(tmp_path / "frame.report.json") == "frame-%d.png"
    assert told_output(tmp_path / "frame_%d.png.report.json") == "frame_%d.png"


@pytest.mark.parametrize("content", ["dear", "[1]", "{}", '{"output": {"name": 3}}'])
def test_another_file_of_the_reports_name_stays(tmp_path: Path, video: Path, content: str) -> None:
    (tmp_path / "out.report.json").write_text(content)
    white(video, tmp_path / "out.mp4", force=True)
    assert (tmp_path / "out.report.json").read_text() == content
    assert told_output(tmp_path / "out.mp4.report.json") == "out.mp4"
    (tmp_path / "out.mp4.report.json").write_text(content)
    with pytest.raises(OutputExists, match=r"out\.mp4\.report\.json: exists, and is no report"):
        white(video, tmp_path / "out.mp4", force=True)


def test_a_report_whose_output_was_moved_is_not_replaced(tmp_path: Path, video: Path) -> None:
    white(video, tmp_path / "out.mp4")
    (tmp_path / "out.mp4").rename(tmp_path / "moved.mp4")
    before = (tmp_path / "out.report.json").read_bytes()
    with pytest.raises(OutputExists, match=r"out\.report\.json: exists.*--force"):
        white(video, tmp_path / "out.mp4")
    assert names(tmp_path) == ["moved.mp4", "out.report.json"]
    assert (tmp_path / "out.report.json").read_bytes() == before


def test_no_earlier_report_stands_beside_a_new_output(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputUnwritable("full")

    white(video, tmp_path / "out.mp4")
    monkeypatch.setattr("unveil.protection.report_file.write_json", full)
    with pytest.raises(OutputUnwritable, match="full"):
        white(video, tmp_path / "out.mp4", force=True)
    assert names(tmp_path) == ["out.mp4"]


# Names


@pytest.mark.parametrize(
    "name", ["rec:1.mp4", "http:a.mkv", "file:a.mp4", "%d.mp4", "a#b?.mp4", "x" * 240 + ".mp4"]
)
def test_a_name_is_only_a_name(
    tmp_path: Path, video: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    white(video, name)
    assert len(decoded(tmp_path / name)) == 4
    (copy := tmp_path / "in").mkdir()
    (tmp_path / name).rename(copy / name)
    monkeypatch.chdir(copy)
    white(name, "out.mkv")  # and as an input
    assert len(decoded(copy / "out.mkv")) == 4


@pytest.mark.parametrize("name", ["x" * 252 + ".mp4", "x" * 245 + ".mp4", "%0250d.png"])
def test_a_name_that_is_too_long_is_told_first(tmp_path: Path, video: Path, name: str) -> None:
    watcher = Watcher()
    with pytest.raises((OutputUnwritable, InvalidParameter), match=r"shorter name|number them"):
        white(video, tmp_path / name, watcher)
    assert (watcher.n_asked, names(tmp_path)) == (0, [])


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_no_text(tmp_path: Path, video: Path) -> None:
    source, out = (tmp_path / os.fsdecode(stem + b"\xff.mkv") for stem in (b"in", b"out"))
    source.write_bytes(video.read_bytes())
    done = unveil("protect", source, "-o", out, "--model", "selfie", "--background", "white")
    assert (done.exit_code, done.stderr) == (0, "")
    assert r"out\udcff.mkv: 4 frames" in done.stdout
    report = json.loads((tmp_path / os.fsdecode(b"out\xff.report.json")).read_text())
    assert report["output"]["name"] == r"out\udcff.mkv"
    again = unveil("protect", source, "-o", out, "--model", "selfie")
    assert again.exit_code == 1
    assert "bug" not in again.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_folder_that_is_no_text(tmp_path: Path, video: Path) -> None:
    out = tmp_path / os.fsdecode(b"out\xff")
    done = unveil("recover", video, "-o", out, "--method", "transitions")
    assert (done.exit_code, done.stderr) == (0, "")
    assert names(out / "video") == [
        "background.png",
        "report.json",
        "room.png",
        "stats.parquet",
        "timeline.parquet",
    ]
    done = unveil("timeline", video, "-o", out / os.fsdecode(b"s\xff.png"), "--at", "1,1")
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_link_is_followed(tmp_path: Path, video: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.mp4").symlink_to(tmp_path / "disk" / "real.mp4")
    white(video, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").is_symlink()
    assert names(tmp_path / "disk") == ["real.mp4"]
    assert len(decoded(tmp_path / "disk" / "real.mp4")) == 4


# Pictures


def test_a_number_in_the_folders_name_is_left_alone(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "take-%d-%03d"
    folder.mkdir()
    white(video, folder / "f-%02d.png")
    assert names(tmp_path) == [folder.name]
    assert names(folder) == ["f-01.png", "f-02.png", "f-03.png", "f-04.png", "f.report.json"]


def earlier(folder: Path, *more: str) -> dict[str, str]:
    """Leave six pictures of an earlier run in a folder, and what more there is."""
    content = {f"f-{n:02}.png": f"earlier {n}" for n in range(1, 7)} | dict.fromkeys(more, "dear")
    for name, text in content.items():
        (folder / name).write_text(text)
    return content


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode("latin-1") for path in folder.iterdir()}


@pytest.mark.parametrize(
    "fail",
    [
        lambda video, path: white(video, path, broken_at(3), force=True),
        lambda video, path: white(video, path, force=True, start_seconds=99),
        lambda video, path: white(video.with_name("no.mp4"), path, force=True),
    ],
)
def test_a_failure_leaves_the_earlier_pictures_and_no_new_one(
    tmp_path: Path, video: Path, fail: Callable[[Path, Path], object]
) -> None:
    before = earlier(tmp_path)
    with pytest.raises((SystemExit, NoFrames, MissingInput)):
        fail(video, tmp_path / "f-%02d.png")
    assert contents(tmp_path) == before


def test_a_failure_leaves_no_picture(tmp_path: Path, video: Path) -> None:
    with pytest.raises(SystemExit):
        white(video, tmp_path / "f-%02d.png", broken_at(3))
    assert names(tmp_path) == []


def test_a_disk_that_fails_leaves_the_earlier_pictures(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    before = earlier(tmp_path)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputUnwritable, match=r"f-01\.png: .*Input/output error"):
        white(video, tmp_path / "f-%02d.png", force=True)
    assert contents(tmp_path) == before


def test_force_replaces_the_sequence_and_no_other_picture(tmp_path: Path, video: Path) -> None:
    dear = ("f-0007.png", "f-1.png", "f-20240101.png", "f-xx.png", "g-01.png", "f-01.jpg")
    earlier(tmp_path, *dear)
    white(video, tmp_path / "f-%02d.png", force=True)
    new = contents(tmp_path)
    assert {name for name, text in new.items() if text == "dear"} == set(dear)
    assert new.keys() == {*dear, *(f"f-0{n}.png" for n in range(1, 5)), "f.report.json"}
    assert not any("earlier" in text for text in new.values())


@pytest.mark.parametrize(("name", "refused"), [("f-07.png", True), ("f-7.png", False)])
def test_only_a_picture_of_the_pattern_is_an_earlier_one(
    tmp_path: Path, video: Path, name: str, refused: bool
) -> None:
    (tmp_path / name).write_text("dear")
    if refused:
        with pytest.raises(OutputExists, match="--force"):
            white(video, tmp_path / "f-%02d.png")
    else:
        white(video, tmp_path / "f-%02d.png")
    assert (tmp_path / name).read_text() == "dear"


def test_pictures_appear_together(tmp_path: Path, video: Path) -> None:
    seen: list[list[str]] = []

    def look(number: int) -> Any:
        seen.append([path.name for path in tmp_path.glob("f-*")])
        return seated()

    white(video, tmp_path / "f-%02d.png", Watcher(look))
    assert seen == [[]] * 4
    assert len(list(tmp_path.glob("f-*"))) == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.png", "names one picture"),
        ("%d-%d.png", "more than one number"),
        ("%5d.png", "names one picture"),
        ("%0999999999d.png", "names one picture"),
        ("%s.png", "names one picture"),
    ],
)
def test_patterns_that_are_none(name: str, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        output_of(name)
