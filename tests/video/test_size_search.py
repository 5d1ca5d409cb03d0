"""The look ahead for the largest size of a file's frames."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.footage import cut, numbered_frames, opening_failing, write_video
from unveil.video.size_search import largest_size
from unveil.video.source import Source, source_of

SMALL, LARGE, TURNED = (48, 64), (96, 128), (128, 96)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], bytes]:
    """Encode a second of each size as MPEG-TS, which can be joined."""
    folder = tmp_path_factory.mktemp("parts")
    return {
        size: write_video(
            folder / f"{size[0]}.ts",
            numbered_frames(25, *size),
            rate=25,
            options={"preset": "ultrafast", "g": "25"},
        ).read_bytes()
        for size in (SMALL, LARGE, TURNED)
    }


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ([SMALL], SMALL),
        ([SMALL, LARGE], LARGE),
        ([LARGE, SMALL, SMALL, SMALL], LARGE),
        ([LARGE, TURNED, TURNED, TURNED], TURNED),
        ([TURNED, LARGE, SMALL, LARGE, LARGE], LARGE),
    ],
)
def test_the_largest_size_and_of_equals_the_commonest(
    tmp_path: Path,
    parts: dict[tuple[int, int], bytes],
    order: list[tuple[int, int]],
    wanted: tuple[int, int],
) -> None:
    (tmp_path / "call.h264").write_bytes(b"".join(raw(parts[size], tmp_path) for size in order))
    assert largest_size(source_of(tmp_path / "call.h264")) == wanted


def raw(ts: bytes, folder: Path) -> bytes:
    """Copy the H.264 stream out of a transport stream."""
    (folder / "part.ts").write_bytes(ts)
    with av.open(str(folder / "part.ts")) as container:
        return b"".join(bytes(packet) for packet in container.demux(video=0))


def test_only_a_file_is_read_twice(tmp_path: Path) -> None:
    assert largest_size(Source("-")) is None
    assert largest_size(source_of(write_video(tmp_path / "a.mkv", numbered_frames(3)))) == SMALL
    (tmp_path / "no.mkv").write_bytes(b"no video")
    assert largest_size(source_of(tmp_path / "no.mkv")) is None


def test_only_the_chosen_time_counts(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered_frames(60), options={"g": "20", "qp": "0"})
    assert largest_size(source_of(path), start_seconds=1.9) == SMALL
    assert largest_size(source_of(path), end_seconds=0.1) == SMALL


def test_a_damaged_file_tells_what_it_can(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mkv", numbered_frames(60), options={"g": "20", "qp": "0"})
    assert largest_size(source_of(cut(whole, tmp_path / "half.mkv", 0.5))) == SMALL


def test_a_stream_that_appears_on_the_way_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "call.mkv", numbered_frames(20), options={"g": "1"})
    failing = opening_failing(IndexError("list index out of range"), 5)
    monkeypatch.setattr("unveil.video.size_search.open_container", failing)
    assert largest_size(source_of(path)) == (48, 64)
