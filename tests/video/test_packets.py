"""Damaged videos: what is sound is kept, what is not is counted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.container import InputContainer

from tests.footage import (
    FailingContainer,
    cut,
    flip_bytes,
    noise_frames,
    numbered_frames,
    numbers_of,
    opening_failing,
    textured_frames,
    write_video,
)
from unveil.errors import UnreadableVideo
from unveil.video.packets import FrameReader
from unveil.video.pixel_format import PlaneReader
from unveil.video.reader import open_video
from unveil.video.tally import DecodeTally

FASTSTART = {"movflags": "faststart"}


@dataclass
class Decoded:
    """All frames of a video by their time, and the tally."""

    frames: dict[float, bytes]
    tally: DecodeTally


def decode(path: Path, threads: int | None = None) -> Decoded:
    frames: dict[float, bytes] = {}
    with open_video(path, threads=threads) as video:
        for chunk in video.chunks():
            for i, seconds in enumerate(chunk.pts_seconds):
                frames[round(float(seconds), 4)] = b"".join(p[i].tobytes() for p in chunk.planes)
    return Decoded(frames, video.tally)


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Offset and size in the file of each packet, in the order of decoding."""
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    return [(p.pos, p.size) for p in packets if p.pos is not None]


def destroy_packets(path: Path, target: Path, *numbers: int) -> Path:
    """Copy a file with zeros in place of some packets."""
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    for number in numbers:
        position, size = places[number]
        data[position : position + size] = bytes(size)
    target.write_bytes(data)
    return target


@pytest.fixture(scope="module")
def intra_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames, each decodable by itself."""
    path = tmp_path_factory.mktemp("packets") / "intra.mp4"
    return write_video(path, textured_frames(40), options={"g": "1"}, container_options=FASTSTART)


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames with a keyframe every 20, and B-frames."""
    path = tmp_path_factory.mktemp("packets") / "call.mp4"
    options = {"g": "20", "sc_threshold": "0"}
    return write_video(path, textured_frames(120), options=options, container_options=FASTSTART)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(
    "destroyed", [[0], [17], [5, 6, 7, 30], [35], [38], [39], [0, 39], [33, 36, 37]]
)
def test_a_destroyed_packet_costs_only_its_own_frame(
    tmp_path: Path, intra_call: Path, destroyed: list[int], threads: int
) -> None:
    sound = decode(intra_call)
    damaged = decode(destroy_packets(intra_call, tmp_path / "d.mp4", *destroyed), threads)
    times = list(sound.frames)
    kept = [time for i, time in enumerate(times) if i not in destroyed]
    assert list(damaged.frames) == kept
    assert all(damaged.frames[time] == sound.frames[time] for time in kept)
    assert damaged.tally.frames_damaged == len(destroyed)
    assert not damaged.tally.truncated


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.97])
def test_frames_before_the_damage_are_kept(
    tmp_path: Path, call: Path, fraction: float, threads: int
) -> None:
    number = int(fraction * 120)
    sound = decode(call)
    damaged = decode(destroy_packets(call, tmp_path / "d.mp4", number), threads)
    until = number // 20 * 20 / 30
    assert damaged.tally.frames_damaged >= 1
    for time, frame in sound.frames.items():
        if time < until - 0.01 or time > until + 20 / 30 - 0.01:
            assert damaged.frames[time] == frame


@pytest.mark.parametrize("name", ["call.mp4", "call.mkv", "call.ts", "call.avi"])
def test_flipped_bytes_are_survived(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    whole = write_video(tmp_path / name, textured_frames(60), codec=codec, options={"g": "10"})
    damaged = decode(flip_bytes(whole, tmp_path / f"d{name}", 0.4, 0.6, 30))
    sound = decode(whole)
    assert damaged.tally.frames_damaged > 0
    assert 30 <= damaged.tally.frames_read < 60
    equal = sum(damaged.frames.get(time) == frame for time, frame in sound.frames.items())
    assert equal >= 25
    assert capfd.readouterr().err == "", "FFmpeg's own messages are not for users"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["call.mp4", "call.mkv", "call.avi"])
def test_half_the_data(tmp_path: Path, name: str, threads: int) -> None:
    whole = write_video(
        tmp_path / name,
        numbered_frames(120),
        codec="ffv1" if name.endswith("avi") else "libx264",
        container_options=FASTSTART if name.endswith("mp4") else {},
    )
    with open_video(cut(whole, tmp_path / f"half{name}", 0.5), threads=threads) as video:
        numbers = [n for chunk in video.chunks() for n in numbers_of(chunk.planes)]
    assert numbers == list(range(len(numbers)))
    assert 30 < len(numbers) < 90
    assert video.tally.truncated
    assert video.tally.reason is not None
    assert "of 120 frames" in video.tally.reason or "of 4.0 seconds" in video.tally.reason


def test_a_sound_video_has_no_complaint(call: Path) -> None:
    tally = decode(call).tally
    assert tally == DecodeTally(frames_read=120, decode_seconds=tally.decode_seconds)
    assert tally.decode_seconds > 0
    assert tally.as_dict()["frames_read"] == 120


def test_no_frame_at_all(tmp_path: Path, intra_call: Path) -> None:
    path = destroy_packets(intra_call, tmp_path / "d.mp4", *range(40))
    with pytest.raises(UnreadableVideo, match=r"d.mp4: no frame can be decoded \(Invalid data"):
        open_video(path)


def test_no_sound_frame_in_the_chosen_time(tmp_path: Path, intra_call: Path) -> None:
    path = destroy_packets(intra_call, tmp_path / "d.mp4", *range(20, 40))
    with (
        open_video(path, start_seconds=0.7) as video,
        pytest.raises(UnreadableVideo, match=r"d\.mp4: no chosen frame can be decoded"),
    ):
        next(video.chunks())


def test_a_format_that_cannot_be_converted(
    intra_call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise av.error.InvalidDataError(1094995529, "Operation not supported")

    monkeypatch.setattr(PlaneReader, "copy_into", refuse)
    with (
        open_video(intra_call) as video,
        pytest.raises(UnreadableVideo, match="pixel format yuv420p: Operation not supported"),
    ):
        next(video.chunks())
    assert video.tally.frames_damaged == 40


def test_a_frame_of_absurd_size_is_only_damage(tmp_path: Path) -> None:
    """A header that claims 60000 x 60000 pixels must not take the machine's memory."""
    whole = write_video(tmp_path / "a.mkv", noise_frames(4, 16, 16, "yuvj420p"), codec="mjpeg")
    data = bytearray(whole.read_bytes())
    position = data.index(b"\xff\xc0", packet_places(whole)[2][0])
    data[position + 5 : position + 9] = b"\xea\x60\xea\x60"
    (tmp_path / "d.mkv").write_bytes(data)
    tally = decode(tmp_path / "d.mkv").tally
    assert tally.frames_read == 3
    assert tally.frames_damaged == 1


def test_damage_outside_the_chosen_time_is_not_counted(tmp_path: Path, intra_call: Path) -> None:
    path = destroy_packets(intra_call, tmp_path / "d.mp4", 3, 35)
    for start, damaged in ((0.5, 1), (None, 2)):
        with open_video(path, start_seconds=start) as video:
            n_frames = sum(len(chunk) for chunk in video.chunks())
        assert video.tally.frames_damaged == damaged
        assert n_frames == (25 if start else 40) - damaged


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (av.error.InvalidDataError(1094995529, "Invalid data"), "Invalid data"),
        (av.error.ExitError(1414092869, "Immediate exit requested"), "Immediate exit requested"),
        (OSError(5, "Input/output error"), "Input/output error"),
        # PyAV stumbles so at the end of data over streams that appeared on the way.
        (IndexError("list index out of range"), None),
    ],
)
def test_an_error_of_the_demuxer_ends_it_with_all_frames_so_far(
    call: Path, error: Exception, said: str | None
) -> None:
    with av.open(call) as container:
        failing = cast(InputContainer, FailingContainer(container, error))
        reader = FrameReader(failing, container.streams.video[0], threading.Event())
        assert len(list(reader.frames())) == 10
        assert reader.end_error == said
        assert reader.n_damaged == 0


def test_a_demuxer_s_error_is_told(call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = av.error.ConnectionResetError(104, "Connection reset by peer")
    monkeypatch.setattr("unveil.video.reader.open_container", opening_failing(error, 119))
    tally = decode(call).tally
    assert tally.frames_read == 119
    assert (tally.truncated, tally.reason) == (
        True,
        "reading ended early: Connection reset by peer",
    )


def test_random_damage_never_escapes(tmp_path: Path, call: Path) -> None:
    """Whatever bytes are hit, index included, the outcome is frames or an UnreadableVideo."""
    rng = np.random.default_rng(5)
    whole = np.frombuffer(call.read_bytes(), np.uint8)
    outcomes = set()
    for trial in range(30):
        data = whole.copy()
        hit = rng.integers(0, data.size, 10 if trial % 2 else 300)
        data[hit] = rng.integers(0, 256, hit.size)
        if trial % 3 == 0:
            data[: rng.integers(1, 3000)] ^= 1
        path = tmp_path / f"{trial}.mp4"
        path.write_bytes(data.tobytes())
        try:
            outcomes.add(decode(path).tally.frames_read > 0)
        except UnreadableVideo:
            outcomes.add(False)
    assert outcomes == {True, False}
