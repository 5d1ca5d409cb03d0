"""What a user may name as an input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.errors import MissingInput
from unveil.video.source import Source, _safe_stem, resolve_inputs, source_of


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with videos and other things, and work in its parent."""
    folder = tmp_path / "calls"
    (folder / "old").mkdir(parents=True)
    for name in ("b.mp4", "a.MKV", "notes.txt", "._a.mp4", "old/c.webm", "old/b.mp4"):
        (folder / name).touch()
    (folder / "folder.mp4").mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def names(*arguments: str) -> list[str]:
    return [source.name for source in resolve_inputs(arguments)]


def test_a_file_is_taken_whatever_its_extension(calls: Path) -> None:
    (source,) = resolve_inputs(["calls/notes.txt"])
    assert source == Source(f"file:{calls / 'notes.txt'}", name="notes.txt", stem="notes")
    assert source.path == calls / "notes.txt"


def test_a_folder_gives_the_videos_directly_inside_in_order(calls: Path) -> None:
    assert names("calls") == ["a.MKV", "b.mp4"]


def test_globs_are_expanded(calls: Path) -> None:
    assert names("calls/*.mp4") == ["b.mp4"]
    assert names("calls/*") == ["a.MKV", "b.mp4"]  # only videos unless an extension is named
    assert names("calls/*.txt") == ["notes.txt"]
    assert names("calls/**/[bc].*") == ["b.mp4", "b.mp4", "c.webm"]
    assert names(str(calls / "?.mp4")) == ["b.mp4"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(calls: Path) -> None:
    (calls / "call[1].mp4").touch()
    assert names("calls/call[1].mp4") == ["call[1].mp4"]


def test_order_is_kept_and_duplicates_are_dropped(calls: Path) -> None:
    again = str(calls / "b.mp4")
    assert names("calls/b.mp4", "calls", again, "calls/old/b.mp4", "-", "-") == [
        "b.mp4",
        "a.MKV",
        "b.mp4",
        "standard input",
    ]


def test_equal_stems_are_told_apart(calls: Path) -> None:
    (calls / "B.avi").touch()
    (calls / "b-2.avi").touch()
    found = resolve_inputs(["calls/b.mp4", "calls/old/b.mp4", "calls/B.avi", "calls/b-2.avi"])
    assert [source.stem for source in found] == ["b", "b-2", "B-3", "b-2-2"]


@pytest.mark.parametrize(
    ("argument", "wanted"),
    [
        ("-", Source("-", None, "standard input", "stdin")),
        (
            "https://example.org/a/call%201.mp4?x=1",
            Source(
                "https://example.org/a/call%201.mp4?x=1",
                None,
                "https://example.org/.../call%201.mp4",
                "call 1",
            ),
        ),
        (
            "rtsp://me:secret@10.0.0.1:554/",
            Source(
                "rtsp://me:secret@10.0.0.1:554/",
                None,
                "rtsp://10.0.0.1:554",
                "10.0.0.1_554",
                live=True,
            ),
        ),
        ("udp://@:1234", Source("udp://@:1234", None, "udp://:1234", "_1234", live=True)),
        ("avfoundation:0", Source("0", "avfoundation", "avfoundation:0", "0", live=True)),
        (
            "dshow:video=HD Cam",
            Source("video=HD Cam", "dshow", "dshow:video=HD Cam", "video=HD Cam", live=True),
        ),
        (
            "lavfi:testsrc=size=2x2",
            Source(
                "testsrc=size=2x2",
                "lavfi",
                "lavfi:testsrc=size=2x2",
                "testsrc=size=2x2",
                live=True,
            ),
        ),
    ],
)
def test_what_is_no_path(argument: str, wanted: Source) -> None:
    assert resolve_inputs([argument]) == [wanted]
    assert wanted.path is None


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no device files")
def test_linux_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = resolve_inputs(["v4l2:/dev/null"])
    assert (source.url, source.format, source.live) == ("/dev/null", "v4l2", True)
    monkeypatch.setattr("unveil.video.source._exists", lambda path: True)
    (source,) = resolve_inputs(["/dev/video0"])
    assert source == Source("/dev/video0", "v4l2", "/dev/video0", "video0", live=True)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nothing.mp4", "nothing.mp4: no such file"),
        ("calls/nothing.mp4", "no such file"),
        ("", "'': no such file"),
        ("a\0b", "no such file"),
        ("x" * 5000, "no such file"),
        ("two\nlines.mp4", r"two\\nlines.mp4: no such file"),
        ("calls/*.avi", r"calls/\*.avi: no video matches"),
        ("calls/old/**/*.mov", "no video matches"),
        ("calls/folder.mp4", "folder.mp4: no video in this folder"),
        ("/dev/video87", "/dev/video87: no such device"),
        ("v4l2:/dev/video87", "/dev/video87: no such device"),
        ("C:nothing.mp4", "no such file"),
        ("file:///nothing/at/all.mp4", "no such file"),
        ("http://[::1/a.mp4", "not a valid address"),
    ],
)
def test_what_is_missing_is_named(calls: Path, argument: str, message: str) -> None:
    with pytest.raises(MissingInput, match=message) as caught:
        resolve_inputs([argument])
    assert "\n" not in str(caught.value)


def test_a_file_url_is_a_file(calls: Path) -> None:
    (calls / "my call.mp4").touch()
    (source,) = resolve_inputs([f"file://{calls}/my%20call.mp4"])
    assert source.path == calls / "my call.mp4"


def test_a_dangling_link_is_missing(calls: Path) -> None:
    (calls / "link.mp4").symlink_to(calls / "nowhere.mp4")
    with pytest.raises(MissingInput, match=r"link\.mp4: no such file"):
        resolve_inputs(["calls/link.mp4"])


def test_a_path_object_is_never_a_device(calls: Path) -> None:
    with pytest.raises(MissingInput):
        source_of(Path("-"))
    Path("-").touch()
    assert source_of(Path("-")).path == calls.parent / "-"


def test_a_file_named_like_a_device_is_a_file(calls: Path) -> None:
    Path("lavfi:x").touch()
    (source,) = resolve_inputs(["lavfi:x"])
    assert source.path == calls.parent / "lavfi:x"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_no_text_can_be_shown(calls: Path) -> None:
    name = os.fsdecode(b"call\xff.mp4")
    Path(name).touch()
    (source,) = resolve_inputs([name])
    assert source.name == r"call\udcff.mp4"
    assert source.stem.encode()
    assert source.path is not None
    assert source.path.exists()


@given(st.text())
def test_stems_are_safe_folder_names(text: str) -> None:
    stem = _safe_stem(text)
    assert stem == stem.strip(" .")
    assert 0 < len(stem.encode()) <= 121
    assert not set(stem) & set('/\\:*?"<>|\0\n')
    assert stem.casefold() not in {"con", "nul", "aux"}


def test_what_may_be_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is, and standard input is a pipe or a file."""
    file = tmp_path / "call.mp4"
    file.write_bytes(b"video")
    known = {
        str(file): (True, False),
        "http://host/call.mp4": (False, False),
        "rtsp://host/call": (False, True),
        "lavfi:testsrc": (False, True),
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        known[str(tmp_path / "pipe")] = False, True
    for name, expected in known.items():
        found = source_of(name)
        assert (found.can_rewind, found.may_be_endless) == expected, name
    standard_input = source_of("-")
    with file.open() as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        assert not standard_input.may_be_endless
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading) as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        assert standard_input.may_be_endless
    monkeypatch.setattr(sys, "stdin", None)
    assert standard_input.may_be_endless


def test_nothing_gives_nothing() -> None:
    assert resolve_inputs([]) == []
