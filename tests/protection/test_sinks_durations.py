"""How long and how fast a protected file plays, as FFmpeg reads it, against its source."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.footage import numbered_frames, write_video
from tests.sitter import Watcher
from tests.talks import evenly, join, write_talk
from unveil.protection import protect

B_FRAMES = {"bf": "2", "b-adapt": "0", "g": "50"}
TIMES = {
    "even": evenly(12),
    "with pauses": [0, 0.1, 0.2, 0.3, 0.5, 60, 60.1, 60.2, 75, 75.1, 120, 120.1],
}
SOURCES = {
    "mp4": ("call.mp4", "libx264", {"bf": "0"}),
    "mp4, reordered": ("call.mp4", "libx264", B_FRAMES),
    "mkv": ("call.mkv", "libx264", B_FRAMES),
    "webm": ("call.webm", "libvpx", {"g": "10"}),
    "mov": ("call.mov", "libx264", B_FRAMES),
}
OUTPUTS = ["out.mp4", "out.mov", "out.mkv", "out.webm"]


def shown(path: Path) -> tuple[list[float], float]:
    """Return the frames' times, from the first on, and how long the picture lasts."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        declared = stream.duration
        packets = [packet for packet in container.demux(stream) if packet.size]
        base = stream.time_base
        tag = stream.metadata.get("DURATION")
        times = sorted(float(packet.pts * base) for packet in packets)
        end = max(float((packet.pts + packet.duration) * base) for packet in packets)
        if declared is not None:
            end = times[0] + float(declared * base)
        elif tag is not None:
            hours, minutes, seconds = tag.split(":")
            end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return [time - times[0] for time in times], end - times[0]


def protected(source: Path, output: str, **options: float) -> Path:
    path = source.with_name(output)
    protect(source, path, background="white", threads=2, smooth=1, segmenter=Watcher(), **options)
    return path


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("kind", SOURCES)
def test_frames_keep_their_times_and_the_last_one_its_duration(
    tmp_path: Path, kind: str, times: list[float], output: str
) -> None:
    name, codec, options = SOURCES[kind]
    source = write_talk(tmp_path / name, times, codec=codec, options=options, last_seconds=8)
    assert shown(source) == (
        pytest.approx(times, abs=0.002),
        pytest.approx(times[-1] + 8, abs=0.01),
    )
    seconds, length = shown(protected(source, output))
    assert seconds == pytest.approx(times, abs=0.002)
    assert length == pytest.approx(times[-1] + 8, abs=0.11)


@pytest.mark.parametrize(
    ("kind", "output"),
    [("GIF", "out.mp4"), ("GIF", "out.webm"), ("PNG", "out.mov"), ("PNG", "out.mkv")],
)
def test_an_animation_keeps_its_pace(tmp_path: Path, kind: str, output: str) -> None:
    durations = [100, 200, 5000, 400, 2000]
    pictures = [Image.new("RGB", (64, 48), (50 * n, 0, 0)) for n in range(len(durations))]
    source = tmp_path / f"call.{kind.lower()}"
    pictures[0].save(
        source, kind, save_all=True, append_images=pictures[1:], duration=durations, lossless=True
    )
    seconds, length = shown(protected(source, output))
    assert seconds == pytest.approx([0, 0.1, 0.3, 5.3, 5.7], abs=0.002)
    assert length == pytest.approx(7.7, abs=0.01)


@pytest.mark.parametrize("kind", ["mp4, reordered", "mkv"])
def test_a_selection_ends_the_last_frame(tmp_path: Path, kind: str) -> None:
    name, codec, options = SOURCES[kind]
    times = TIMES["with pauses"]
    source = write_talk(tmp_path / name, times, codec=codec, options=options, last_seconds=8)
    seconds, length = shown(protected(source, "out.mp4", start_seconds=0.2, end_seconds=70.5))
    assert seconds == pytest.approx([time - 0.2 for time in times[2:8]], abs=0.002)
    assert length == pytest.approx(70.3, abs=0.01)
    _, length = shown(protected(source, "to.mp4", start_seconds=120, end_seconds=125))
    assert length == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("rate", [8, 15, 25, 30, 50])
@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("hevc", "libx265")])
def test_an_elementary_stream_plays_at_the_rate_in_its_headers(
    tmp_path: Path, suffix: str, codec: str, rate: int
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    frames = numbered_frames(2 * rate)
    source = write_video(
        tmp_path / f"call.{suffix}", frames, codec=codec, rate=rate, options=options
    )
    output = protected(source, "out.mp4")
    seconds, length = shown(output)
    assert length == pytest.approx(2, abs=0.01)
    assert [b - a for a, b in pairwise(seconds)] == pytest.approx([1 / rate] * (2 * rate - 1), 0.01)
    with av.open(str(output)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(rate, abs=0.01)


def test_joined_recordings_last_as_long_as_both(tmp_path: Path) -> None:
    parts = [
        write_talk(tmp_path / f"{n}.ts", evenly(20), sound=(0, 2), offset_seconds=offset)
        for n, offset in enumerate((0, 700, 300))
    ]
    source = join(tmp_path / "call.ts", *parts)
    for output in ("out.mp4", "out.mkv"):
        path = protected(source, output)
        seconds, length = shown(path)
        assert seconds == pytest.approx(evenly(60), abs=0.15)
        assert length == pytest.approx(6, abs=0.15)
        with av.open(str(path)) as container:
            sound = container.streams.audio[0]
            times = [packet.dts for packet in container.demux(sound) if packet.size]
            assert all(later > earlier for earlier, later in pairwise(times))
            assert float(times[-1] * sound.time_base) == pytest.approx(6, abs=0.2)


def test_a_gap_of_an_hour_leaves_valid_composition_offsets(tmp_path: Path) -> None:
    """FFmpeg refuses offsets from 2**28 ticks on; players show nothing then."""
    times = [time + 3600 * (i >= 20) for i, time in enumerate(evenly(40))]
    source = write_talk(tmp_path / "call.ts", times, options=B_FRAMES)
    with av.open(str(protected(source, "out.mp4"))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert max(packet.pts - packet.dts for packet in packets) < 2**28
    seconds, length = shown(source.with_name("out.mp4"))
    assert (seconds[-1], length) == (pytest.approx(3.9), pytest.approx(4.0))
