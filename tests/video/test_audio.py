"""Sound taken aside while pictures are read."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from tests.footage import numbered_frames, write_sound, write_video
from unveil.video import audio
from unveil.video.audio import SoundTrack, seconds_of
from unveil.video.reader import open_video


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Four seconds of frames, 10 a second, and of silence in packets of 20 ms."""
    path = tmp_path / "talk.mkv"
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=10, options={"g": "10"})
        silence = output.add_stream("libopus", rate=48000, layout="mono")
        pictures.width, pictures.height = 64, 48
        for number, frame in enumerate(numbered_frames(40)):
            frame.pts = number
            output.mux(pictures.encode(frame))
            for part in range(5):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
                samples.sample_rate, samples.pts = 48000, 960 * (5 * number + part)
                output.mux(silence.encode(samples))
        output.mux([*pictures.encode(None), *silence.encode(None)])
    return path


def begins(track: SoundTrack, until_seconds: float = math.inf) -> list[float]:
    return [seconds_of(packet) for packet in track.take(until_seconds)]


def test_all_sound_is_gathered_once(talk: Path) -> None:
    with av.open(str(talk)) as container:
        wanted = [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
    with open_video(talk, with_sound=True) as video:
        frames = sum(len(chunk) for chunk in video.chunks())
        assert begins(video.sound, wanted[50]) == wanted[:50]
        assert begins(video.sound) == wanted[50:]
        assert begins(video.sound) == []
    assert frames == 40


def test_sound_is_left_alone_unless_asked_for(talk: Path) -> None:
    with open_video(talk) as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 40
        assert video.sound.streams == ()
        assert begins(video.sound) == []


def test_a_stretch_of_time_has_all_of_its_sound(talk: Path) -> None:
    """A jump forgets what was read before it, and the end is read past the last picture."""
    with open_video(talk, start_seconds=2.05, end_seconds=3.0, with_sound=True) as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 9
        found = begins(video.sound)
    inside = [begin for begin in found if 2.05 <= begin < 3.0]
    assert len(inside) in (47, 48)
    assert found == sorted(found)
    assert found[0] > 0.9
    assert found[-1] < 3.5


def test_reaching_a_time_needs_every_stream(talk: Path) -> None:
    with av.open(str(talk)) as container:
        track = SoundTrack.of(container)
        assert not track.reaches(0)
        for packet in container.demux(*track.streams):
            track.add(packet)
        assert track.reaches(3.9)
        assert not track.reaches(4.5)
        track.restart()
        assert not track.reaches(0)
        assert begins(track) == []
    assert SoundTrack(()).reaches(math.inf)


def test_videos_without_sound_and_sound_without_video(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", numbered_frames(3))
    with open_video(silent, with_sound=True) as video:
        assert video.sound.streams == ()
        assert sum(len(chunk) for chunk in video.chunks()) == 3
    with av.open(str(write_sound(tmp_path / "sound.mp4"))) as container:
        assert len(SoundTrack.of(container).streams) == 1


def test_a_full_queue_waits_and_loses_nothing(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MAX_PACKETS", 10)
    with av.open(str(talk)) as container:
        track = SoundTrack.of(container)
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        asked = threading.Event()
        track.ask = asked.set
        added = threading.Event()

        def add() -> None:
            for packet in packets:
                track.add(packet)
            added.set()
            asked.set()  # the last packets do not fill the queue

        adder = threading.Thread(target=add)
        adder.start()
        taken = []
        while not added.is_set():
            assert asked.wait(10)
            asked.clear()
            found = begins(track)
            assert len(found) <= 11  # one more may be added while they are taken
            taken += found
        taken += begins(track)
        adder.join(10)
        assert taken == [seconds_of(packet) for packet in packets]


def test_large_packets_fill_the_queue_as_well(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MAX_BYTES", 100)
    with av.open(str(talk)) as container:
        track = SoundTrack.of(container)
        packets = [packet for packet in container.demux(audio=0) if packet.size][:60]
        asks = 0
        taken: list[float] = []

        def take() -> None:
            nonlocal asks
            asks += 1
            taken.extend(begins(track))

        track.ask = take
        for packet in packets:
            track.add(packet)
        taken += begins(track)
        assert taken == [seconds_of(packet) for packet in packets]
        assert asks >= sum(packet.size for packet in packets) // 200


def test_a_closed_track_lets_the_reader_go(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "MAX_PACKETS", 1)
    with av.open(str(talk)) as container:
        track = SoundTrack.of(container)
        track.ask = track.close
        for packet in container.demux(audio=0):
            track.add(packet)
        assert len(begins(track)) == 1
