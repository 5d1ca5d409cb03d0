"""Sound in protected videos: which is copied, when it is heard, and which must not be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests import sitter
from tests.protection.talks import RATE, sitting, white
from unveil.errors import InvalidParameter
from unveil.video.sound_stream import can_hold

EARLY, LATE = 500.0, 1500.0
"""Frequencies, in Hz, of the first second of the sound and of what follows."""


def tone(n_samples: int, rate: int) -> npt.NDArray[np.float64]:
    seconds = np.arange(n_samples) / rate
    return 0.3 * np.sin(2 * np.pi * np.where(seconds < 1, EARLY, LATE) * seconds)


def sound_frames(context: Any, seconds: float) -> Iterator[av.AudioFrame]:
    """Give the tone in frames that an opened encoder takes."""
    rate, size = context.sample_rate, context.frame_size or 1024
    wave = tone(int(seconds * rate), rate)
    for first in range(0, len(wave), size):
        part = wave[first : first + size]
        if len(part) < size and context.frame_size:
            part = np.pad(part, (0, size - len(part)))
        n_channels = context.layout.nb_channels
        samples = np.repeat((part * 32767).astype(np.int16)[None], n_channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, "s16p", context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        yield frame


def write_talk(
    path: Path,
    codec: str = "aac",
    *,
    rate: int = 48000,
    layout: str = "mono",
    languages: tuple[str | None, ...] = (None,),
    sound_at: float = 0.0,
    pictures_at: float = 0.0,
    n_frames: int = 50,
) -> Path:
    """Write two seconds of sound and some frames, each of which begins at a time of its own."""
    with av.open(str(path), "w", container_options={"avoid_negative_ts": "disabled"}) as output:
        pictures: Any = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        pictures.width, pictures.height = sitter.WIDTH, sitter.HEIGHT
        sounds: list[Any] = []
        for number, language in enumerate(languages):
            sounds.append(output.add_stream(codec, rate=rate, layout=layout))
            sounds[-1].bit_rate = 64000  # some encoders have no default
            if language:
                sounds[-1].metadata["language"] = language
            sounds[-1].disposition = av.stream.Disposition(int(number == len(languages) - 1))
        output.start_encoding()
        packets = []
        for number, made in enumerate(sitting(n_frames)):
            made.pts, made.time_base = number, Fraction(1, RATE)
            packets += [(pictures_at, packet) for packet in pictures.encode(made)]
        packets += [(pictures_at, packet) for packet in pictures.encode(None)]
        for sound in sounds:
            for frame in sound_frames(sound.codec_context, 2.0):
                packets += [(sound_at, packet) for packet in sound.encode(frame)]
            packets += [(sound_at, packet) for packet in sound.encode(None)]
        for at, packet in packets:
            shift = round(Fraction(at) / packet.time_base)
            packet.pts += shift
            packet.dts += shift
        for _, packet in sorted(packets, key=lambda pair: pair[1].dts * pair[1].time_base):
            output.mux(packet)
    return path


def heard(path: Path, number: int = 0, **options: str) -> tuple[float, npt.NDArray[np.float64]]:
    """Decode a stream of sound as a player does: time of the first sample, and all samples."""
    begin, parts = np.nan, []
    with av.open(str(path), options=options) as container:
        for frame in container.decode(container.streams.audio[number]):
            if np.isnan(begin):
                begin = float(frame.pts * frame.time_base)
            samples = frame.to_ndarray()
            if not frame.format.is_planar:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            scale = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
            parts.append(samples[0].astype(np.float64) / scale)
    return begin, np.concatenate(parts)


def first_picture(path: Path) -> float:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return float(frame.pts * frame.time_base)


def strength(samples: npt.NDArray[np.float64], rate: int, frequency: float) -> float:
    """Seconds for which a tone of this frequency is heard."""
    size = rate // 50
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    wave = np.exp(-2j * np.pi * frequency * np.arange(size) / rate)
    return float((np.abs(blocks @ wave) * 2 / size > 0.1).sum() / 50)


def packets_of(path: Path, number: int = 0) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


# Times


@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.ts"])
@pytest.mark.parametrize("out", ["out.mp4", "out.mov", "out.mkv", "out.ts"])
def test_sound_before_the_pictures_is_heard_before_them(
    tmp_path: Path, source: str, out: str
) -> None:
    """A camera that comes on late: the caller speaks already."""
    write_talk(tmp_path / source, pictures_at=1.2, n_frames=20)
    done = white(tmp_path / source, tmp_path / out)
    begin, samples = heard(tmp_path / source)
    got_begin, got = heard(tmp_path / out)
    assert strength(got, 48000, EARLY) > 0.95
    assert len(got) == pytest.approx(len(samples), abs=2048)
    ahead = first_picture(tmp_path / source) - begin
    assert first_picture(tmp_path / out) - got_begin == pytest.approx(ahead, abs=0.025)
    assert done.report["protected_seconds"] == pytest.approx(19 / RATE, abs=1e-3)


def test_sound_that_begins_with_the_pictures_leads_by_nothing(tmp_path: Path) -> None:
    for name in ("in.mp4", "in.mkv"):
        write_talk(tmp_path / name, n_frames=5)
        white(tmp_path / name, tmp_path / "out.mp4", force=True)
        assert first_picture(tmp_path / "out.mp4") == pytest.approx(0, abs=0.022)


def test_a_chosen_start_leaves_earlier_sound_out(tmp_path: Path) -> None:
    source = write_talk(tmp_path / "in.mkv", pictures_at=1.2, n_frames=20)
    white(source, tmp_path / "out.mp4", start_seconds=0.4)
    assert first_picture(tmp_path / "out.mp4") == pytest.approx(0, abs=1e-3)
    assert strength(heard(tmp_path / "out.mp4")[1], 48000, EARLY) == 0


@pytest.mark.parametrize(
    ("source", "codec"), [("in.mp4", "aac"), ("in.mov", "pcm_s16le"), ("in.mov", "alac")]
)
@pytest.mark.parametrize("out", ["out.mkv", "out.mp4", "out.mov", "out.nut"])
def test_sound_that_an_edit_list_trims_off_is_not_in_the_file(
    tmp_path: Path, source: str, codec: str, out: str
) -> None:
    """Whoever cut something private out must not find it in the protected file."""
    path = write_talk(tmp_path / source, codec, sound_at=-1.0, n_frames=25)
    assert strength(heard(path)[1], 48000, EARLY) < 0.05
    assert strength(heard(path, ignore_editlist="1")[1], 48000, EARLY) > 0.95
    white(path, tmp_path / out)
    options = {"ignore_editlist": "1"} if out.endswith(("mp4", "mov")) else {}
    begin, samples = heard(tmp_path / out, **options)
    assert strength(samples, 48000, EARLY) == 0
    assert strength(samples, 48000, LATE) > 0.9
    assert begin - first_picture(tmp_path / out) == pytest.approx(0, abs=0.05)


def test_an_encoders_delay_is_kept(tmp_path: Path) -> None:
    """It is hidden as trimmed sound is, but holds none, and a decoder needs it."""
    source = write_talk(tmp_path / "in.mp4", n_frames=5, sound_at=-1024 / 48000)
    white(source, tmp_path / "out.mkv")
    assert packets_of(tmp_path / "out.mkv") == packets_of(source)


# Codecs

LIVE_CODECS = [
    ("in.mov", "pcm_mulaw", 8000, "pcm_s16le"),
    ("in.avi", "pcm_alaw", 8000, "pcm_s16le"),
    ("in.avi", "adpcm_ms", 44100, "pcm_s16le"),
    ("in.mov", "adpcm_ima_qt", 44100, "pcm_s16le"),
    ("in.avi", "wmav2", 44100, "pcm_f32le"),
    ("in.avi", "g726", 8000, "pcm_s16le"),
    ("in.avi", "g722", 16000, "pcm_s16le"),
    ("in.mov", "nellymoser", 8000, "pcm_f32le"),
]


@pytest.mark.parametrize(("source", "codec", "rate", "stored"), LIVE_CODECS)
def test_mkv_holds_every_kind(
    tmp_path: Path, source: str, codec: str, rate: int, stored: str
) -> None:
    path = write_talk(tmp_path / source, codec, rate=rate, n_frames=50)
    done = white(path, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.audio[0].codec_context.name == stored
    begin, samples = heard(path)
    got_begin, got = heard(tmp_path / "out.mkv")
    np.testing.assert_allclose(got[: len(samples)], samples[: len(got)], atol=1e-7)
    assert len(got) == pytest.approx(len(samples), abs=0.05 * rate)
    assert got_begin == pytest.approx(begin, abs=2e-3)
    (note,) = done.notes
    assert note == f"sound in {codec} is stored without loss as {stored}"


def test_a_gap_in_decoded_sound_stays_a_gap(tmp_path: Path) -> None:
    whole = write_talk(tmp_path / "in.mov", "pcm_mulaw", rate=8000)
    with av.open(str(whole)) as source, av.open(str(tmp_path / "gap.nut"), "w") as output:
        streams: dict[Any, Any] = {s: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            sound = packet.stream.type == "audio"
            if packet.size and not (sound and 0.5 < float(packet.pts * packet.time_base) < 1):
                packet.stream = streams[packet.stream]
                output.mux(packet)
    white(tmp_path / "gap.nut", tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        times = [float(packet.pts * packet.time_base) for packet in packets]
    assert max(np.diff(times)) > 0.4
    assert times[-1] > 1.8


@pytest.mark.parametrize("source", ["in.mp4", "in.ts"])
@pytest.mark.parametrize("codec", ["aac", "ac3", "mp3", "mp2", "eac3"])
def test_mpegts_holds_what_it_has_stream_types_for(tmp_path: Path, source: str, codec: str) -> None:
    path = write_talk(tmp_path / source, codec, layout="stereo", n_frames=20)
    white(path, tmp_path / "out.ts")
    with av.open(str(tmp_path / "out.ts")) as container:
        name = container.streams.audio[0].codec_context.codec.canonical_name
    assert name in {"mp2": ("mp2", "mp3")}.get(codec, (codec,))
    assert len(heard(tmp_path / "out.ts")[1]) == pytest.approx(len(heard(path)[1]), abs=4096)


def test_opus_in_mov_is_heard(tmp_path: Path) -> None:
    path = write_talk(tmp_path / "in.mkv", "libopus", n_frames=20)
    white(path, tmp_path / "out.mov")
    assert strength(heard(tmp_path / "out.mov")[1], 48000, LATE) > 0.9


@pytest.mark.parametrize(
    ("codec", "out"),
    [
        ("pcm_mulaw", "out.webm"),
        ("pcm_mulaw", "out.ts"),
        ("pcm_mulaw", "out.mp4"),
        ("pcm_mulaw", "out.flv"),
        ("adpcm_ima_qt", "out.mp4"),
        ("alac", "out.ts"),
    ],
)
def test_what_does_not_fit_is_told_with_what_does(tmp_path: Path, codec: str, out: str) -> None:
    path = write_talk(tmp_path / "in.mov", codec, rate=8000, n_frames=5)
    with pytest.raises(InvalidParameter, match=rf"cannot hold sound in {codec}; take \.mkv"):
        white(path, tmp_path / out)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.mov"]
    white(path, tmp_path / "out.mkv")
    assert len(heard(tmp_path / "out.mkv")[1])


def test_trying_writes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    path = write_talk(tmp_path / "in.mkv", "libopus", n_frames=5)
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        assert [can_hold(form, stream) for form in ("matroska", "webm", "mp4", "mov")] == [
            *[True] * 3,
            False,
        ]
        assert len([packet for packet in container.demux(stream) if packet.size]) > 50


# Labels


@pytest.mark.parametrize("out", ["out.mkv", "out.mp4", "out.mov"])
def test_languages_and_the_default_stream_are_kept(tmp_path: Path, out: str) -> None:
    path = write_talk(tmp_path / "in.mkv", languages=("ger", None, "eng"), n_frames=5)
    white(path, tmp_path / out)
    with av.open(str(tmp_path / out)) as container:
        streams = container.streams.audio
        assert [stream.language or "und" for stream in streams] == ["ger", "und", "eng"]
        default = [bool(stream.disposition & av.stream.Disposition.default) for stream in streams]
    assert default == [False, False, True]


def test_decoded_sound_keeps_its_language(tmp_path: Path) -> None:
    path = write_talk(tmp_path / "in.mov", "pcm_mulaw", rate=8000, languages=("ger",), n_frames=5)
    white(path, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.audio[0].language == "ger"


# Encoders that write to standard error by themselves


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1"])
def test_encoders_are_silent(tmp_path: Path, codec: str) -> None:
    path = write_talk(tmp_path / "in.mkv", n_frames=5)
    program = "from unveil.cli import main; main()"
    options = ["--codec", codec, "--model", "selfie", "--background", "white", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", program, "protect", path, "-o", tmp_path / "out.mkv", *options],
        capture_output=True,
        check=True,
        timeout=100,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
