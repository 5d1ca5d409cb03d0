"""Sound of protected videos: copied as it is, cut with the pictures, waiting for none."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from tests.protection.talks import sound_of, times_of, white, write_talk
from tests.sitter import decoded
from unveil.errors import InvalidParameter, OutputUnwritable
from unveil.video import audio
from unveil.video.writer import VideoWriter


def test_sound_is_copied(tmp_path: Path, talk: Path) -> None:
    for name in ("out.mp4", "out.mkv"):
        done = white(talk, tmp_path / name)
        begin, end, packets = sound_of(talk)
        got_begin, got_end, got = sound_of(tmp_path / name)
        assert got == packets
        assert abs((got_end - got_begin) - (end - begin)) < 0.05
        assert abs(got_begin - begin) < 0.05
        assert done.report["output"]["sound_streams"] == 1
        with av.open(str(talk)) as source, av.open(str(tmp_path / name)) as out:
            assert source.duration
            assert out.duration
            assert abs(source.duration - out.duration) < 50_000


def test_sound_follows_the_stretch_of_time(tmp_path: Path, talk: Path) -> None:
    white(talk, tmp_path / "out.mp4", start_seconds=1.0, end_seconds=2.5)
    begin, end, _ = sound_of(tmp_path / "out.mp4")
    assert abs(begin) < 0.05
    assert abs(end - 1.5) < 0.05
    assert len(times_of(tmp_path / "out.mp4")) == 38


def test_sound_that_outlasts_the_pictures_is_kept(tmp_path: Path) -> None:
    source = write_talk(tmp_path / "long.mp4", 20, seconds=2.0)
    white(source, tmp_path / "out.mp4")
    assert abs(sound_of(tmp_path / "out.mp4")[1] - sound_of(source)[1]) < 0.05


def test_sound_of_a_pipe_is_copied(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    white(talk, tmp_path / "talk.mkv")
    out = io.BytesIO()
    with (tmp_path / "talk.mkv").open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=piped))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
        done = white("-", "-")
    monkeypatch.undo()
    assert done.output is None
    (tmp_path / "out.mkv").write_bytes(out.getvalue())
    assert len(decoded(tmp_path / "out.mkv")) == 100
    assert sound_of(tmp_path / "out.mkv")[2] == sound_of(talk)[2]


def test_sound_that_does_not_fit_is_told(tmp_path: Path, talk: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"webm cannot hold sound in aac; take \.mkv"):
        white(talk, tmp_path / "out.webm", end_seconds=0.2)
    assert not list(tmp_path.iterdir())
    done = white(talk, tmp_path / "out.webm", end_seconds=0.2, sound=False)
    assert done.report["output"]["sound_streams"] == 0


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_sound_after_a_short_picture_is_copied_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would pile up in memory until the end of the file."""
    monkeypatch.setattr(audio, "MAX_PACKETS", 20)
    call = write_talk(tmp_path / "call.mkv", 10, seconds=20)
    white(call, tmp_path / name)
    _, _, wanted = sound_of(call)
    begin, end, packets = sound_of(tmp_path / name)
    assert packets == wanted
    assert begin < 0.1
    assert end == pytest.approx(20, abs=0.1)
    assert len(decoded(tmp_path / name)) == 10


def test_a_full_disk_ends_it_while_sound_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "MAX_PACKETS", 20)

    def refuse(*_: object) -> None:
        raise OutputUnwritable("no space left")

    monkeypatch.setattr(VideoWriter, "write_sound", refuse)
    call = write_talk(tmp_path / "call.mkv", 10, seconds=20)
    with pytest.raises(OutputUnwritable, match="no space left"):
        white(call, tmp_path / "out.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["call.mkv"]
