"""Every kind of file that the project writes replaces the old one as a whole, whatever its name."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.command import unveil, write_call
from tests.recovery.test_result import make_recovery
from unveil.counting.state_file import write_state
from unveil.errors import OutputUnwritable
from unveil.files import write_json, write_png
from unveil.scoring.truth import Truth
from unveil.video.writer import VideoWriter

PICTURE = np.zeros((16, 16, 3), np.uint8)
COUNTS = np.zeros((16, 16), np.uint16)


def write_video(path: Path) -> None:
    with VideoWriter(path, height=16, width=16, frame_rate=30) as video:
        video.write(PICTURE)


WRITERS: dict[str, Callable[[Path], object]] = {
    ".png": lambda path: write_png(path, PICTURE),
    ".json": lambda path: write_json(path, {}),
    ".parquet": lambda path: make_recovery().write_stats(path),
    ".truth.npz": Truth(PICTURE, PICTURE, PICTURE[..., 0], COUNTS, COUNTS).write,
    ".state.npz": lambda path: write_state(path, {}, {}),
    ".mp4": write_video,
    ".mkv": write_video,
}

NAMES = ["plain", "rec:1", "http:", "%d", "a b#?*'\"", "-", ".hidden", "x" * 240, "ö" * 120]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("stem", NAMES, ids=range(len(NAMES)))
def test_any_name_is_only_a_name(
    tmp_path: Path, suffix: str, stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also relative: an absolute path begins with a slash, which no protocol does."""
    monkeypatch.chdir(tmp_path)
    path = Path(stem + suffix)
    WRITERS[suffix](path)
    assert names(tmp_path) == [path.name]
    assert path.stat().st_size > 0 or suffix == ".json"


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("folder", ["rec:1", "s3:", "out%d"])
def test_any_folder_is_only_a_folder(
    tmp_path: Path, suffix: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    WRITERS[suffix](Path(folder) / f"a{suffix}")
    assert names(tmp_path / folder) == [f"a{suffix}"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
@pytest.mark.parametrize("suffix", WRITERS)
def test_names_that_are_no_text(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / os.fsdecode(b"out\xff")
    folder.mkdir()
    WRITERS[suffix](folder / os.fsdecode(b"call\xff" + suffix.encode()))
    assert len(names(folder)) == 1


@pytest.mark.parametrize("suffix", WRITERS)
def test_links_are_followed(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / f"link{suffix}"
    link.symlink_to(tmp_path / "real" / f"made{suffix}")
    WRITERS[suffix](link)
    assert link.is_symlink()
    assert names(tmp_path / "real") == [f"made{suffix}"]
    assert names(tmp_path) == sorted([f"link{suffix}", "real"])


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_disk_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputUnwritable, match="Input/output error"):
        WRITERS[suffix](path)
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", WRITERS)
def test_names_that_cannot_be_are_told_before_anything_is_written(
    tmp_path: Path, suffix: str
) -> None:
    with pytest.raises(OutputUnwritable, match="choose a shorter name"):
        WRITERS[suffix](tmp_path / ("x" * 252 + suffix))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("recover", "--method", "rarest"),
        ("protect", "--model", "selfie"),
        ("timeline", "--at", "1,1"),
        ("simulate",),
    ],
)
@pytest.mark.parametrize("name", ["x" * 300, "folder/" + "x" * 300 + ".png"])
def test_no_command_takes_a_name_that_cannot_be(
    tmp_path: Path, arguments: tuple[str, ...], name: str
) -> None:
    (tmp_path / "folder").mkdir()
    write_call(tmp_path / "call.mp4")
    command, *options = arguments
    done = unveil(command, tmp_path / "call.mp4", "-o", tmp_path / name, *options)
    assert done.exit_code in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "OSError" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["call.mp4", "folder"]
