"""Recordings of the sitter with a tone, their protection, and what its output holds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests import sitter
from tests.sitter import Watcher, decoded, frame
from unveil.protection import Protection, protect

RATE = 25
SOUND_RATE = 48000


def sitting(n: int, height: int = sitter.HEIGHT, width: int = sitter.WIDTH) -> Iterator[Any]:
    """Make the first frames of the sitter."""
    return (frame(number, height, width) for number in range(n))


def write_talk(path: Path, n_frames: int, codec: str = "aac", seconds: float | None = None) -> Path:
    """Write frames with a tone of 440 Hz, which lasts as long as they do or as said."""
    length = n_frames / RATE if seconds is None else seconds
    with av.open(str(path), "w") as output:
        pictures: Any = output.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        pictures.width, pictures.height = sitter.WIDTH, sitter.HEIGHT
        tone: Any = output.add_stream(codec, rate=SOUND_RATE, layout="mono")
        for number, made in enumerate(sitting(n_frames)):
            made.pts, made.time_base = number, Fraction(1, RATE)
            output.mux(pictures.encode(made))
        size = tone.codec_context.frame_size or 960
        name = tone.codec_context.format.name
        for first in range(0, int(length * SOUND_RATE), size):
            wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(first, first + size) / SOUND_RATE)
            samples = wave if name.startswith("fl") else (wave * 32767).astype(np.int16)
            dtype = np.float32 if name.startswith("fl") else np.int16
            heard = av.AudioFrame.from_ndarray(samples.astype(dtype)[None], name, "mono")
            heard.sample_rate, heard.pts, heard.time_base = (
                SOUND_RATE,
                first,
                Fraction(1, SOUND_RATE),
            )
            output.mux(tone.encode(heard))
        output.mux(pictures.encode(None))
        output.mux(tone.encode(None))
    return path


def white(source: Any, output: Any, watcher: Watcher | None = None, **options: Any) -> Protection:
    """Protect a recording with a white background, without smoothing unless it is asked for."""
    settings: dict[str, Any] = {"background": "white", "threads": 2, "smooth": 1} | options
    return protect(source, output, segmenter=watcher or Watcher(), **settings)


def sound_of(path: Path) -> tuple[float, float, list[bytes]]:
    """Begin and end in seconds, and the packets, of a file's sound."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packets = [packet for packet in container.demux(stream) if packet.size]
        begin = float(packets[0].pts * packets[0].time_base)
        end = float((packets[-1].pts + packets[-1].duration) * packets[-1].time_base)
        return begin, end, [bytes(packet) for packet in packets]


def times_of(path: Path) -> list[float]:
    """Return the times of a file's frames in seconds."""
    return [float(shown.pts * shown.time_base) for shown in decoded(path)]
