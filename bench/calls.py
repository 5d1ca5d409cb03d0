"""The calls for speed and memory, made once by `unveil.demo.moving_call` into `bench/work/`.

Each is H.264 with a photo-like virtual background, a moving person-like shape, and camera noise.
`python -m bench.calls` makes them all in advance and lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

WORK = Path(__file__).parent / "work"
SEED = 7
SIZES = {360: (640, 500_000), 720: (1280, 2_000_000), 1080: (1920, 3_000_000)}
"""Height -> width and bits per second; 360 is for trials of the runners."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call, with the properties of the encoded file."""

    path: Path
    height: int
    width: int
    n_frames: int
    bits_per_second: int

    @property
    def label(self) -> str:
        """The name in tables, such as "720p"."""
        return f"{self.height}p"


def made(height: int, n_frames: int) -> Call:
    """Return the call of this height and length; make it if it is missing."""
    path = WORK / f"call-{height}p-{n_frames}.mp4"
    if not path.exists():
        width, bit_rate = SIZES[height]
        _encode(path, height, width, n_frames, bit_rate)
    return inspected(path)


def looped(call: Call, n_frames: int) -> Call:
    """Return `call` repeated to `n_frames`: the same packets, with later times.

    Nothing is re-encoded, so each repetition costs a decoder the same.
    """
    if n_frames % call.n_frames:
        raise ValueError(f"{n_frames} frames are not a multiple of {call.n_frames}")
    path = WORK / f"loop-{call.height}p-{n_frames}.mp4"
    if not path.exists():
        join([call.path] * (n_frames // call.n_frames), path)
    return inspected(path)


def warm_up_clip() -> Call:
    """Return a short clip whose recovery compiles and loads all kernels."""
    return _small("warm-up.mp4", height=96, width=160, n_frames=48)


def one_frame_clip() -> Call:
    """Return a clip of one frame, for measuring the start of a program."""
    return _small("one-frame.mp4", height=96, width=160, n_frames=1)


def read_ahead(call: Call) -> None:
    """Read a file once, so that it is in the page cache for every contender."""
    with call.path.open("rb") as file:
        while file.read(1 << 20):
            pass


def _small(name: str, *, height: int, width: int, n_frames: int) -> Call:
    path = WORK / name
    if not path.exists():
        _encode(path, height, width, n_frames, bit_rate=200_000)
    return inspected(path)


def _encode(path: Path, height: int, width: int, n_frames: int, bit_rate: int) -> None:
    # Imported late: a runner whose calls exist stays a small process.
    from unveil.demo import moving_call
    from unveil.video.writer import VideoWriter

    WORK.mkdir(parents=True, exist_ok=True)
    scene = moving_call(height, width, n_frames, seed=SEED)
    with VideoWriter(
        path, height=height, width=width, frame_rate=scene.frame_rate, bit_rate=bit_rate
    ) as writer:
        for frame in scene.frames():
            writer.write(frame)


def join(calls: Sequence[Path], target: Path) -> None:
    """Write the packets of calls one after the other, with later times; nothing is encoded.

    Raises
    ------
    ValueError
        The calls differ in what a decoder must know in advance.
    """
    lengths = {call: _duration_pts(call) for call in set(calls)}
    start = 0
    part = target.with_name(f"part-{target.name}")
    with av.open(part, "w") as output:
        with av.open(calls[0]) as container:
            first = container.streams.video[0]
            header = first.codec_context.extradata
            copy = output.add_stream_from_template(first)
        for call in calls:
            with av.open(call) as container:
                if container.streams.video[0].codec_context.extradata != header:
                    raise ValueError(f"{call.name} was encoded otherwise than {calls[0].name}")
                for packet in container.demux(video=0):
                    if packet.pts is None or packet.dts is None:  # the empty flush packet
                        continue
                    packet.pts += start
                    packet.dts += start
                    packet.stream = copy
                    output.mux(packet)
            start += lengths[call]
    part.replace(target)


def _duration_pts(path: Path) -> int:
    """Return the duration from the first frame to the end of the last, in ticks."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
        rate, tick = stream.average_rate, stream.time_base
    if rate is None or tick is None:
        raise ValueError(f"{path.name} has no frame rate")
    return max(times) - min(times) + round(1 / (Fraction(rate) * tick))


def inspected(path: Path) -> Call:
    """Return a call with the properties of its file."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        n_frames = sum(packet.size > 0 for packet in container.demux(stream))
        height, width, rate = stream.height, stream.width, stream.average_rate
    seconds = n_frames / float(rate or 1)
    return Call(path, height, width, n_frames, round(path.stat().st_size * 8 / seconds))


def main() -> None:
    """Make every call that the runners measure by default."""
    short = made(720, 600)
    calls = [short, looped(short, 6_000), made(720, 3_600), made(1080, 600), made(1080, 3_600)]
    for call in [*calls, warm_up_clip(), one_frame_clip()]:
        print(
            f"{call.path.name}: {call.width} x {call.height}, {call.n_frames} frames, "
            f"{call.bits_per_second / 1e6:.2f} Mbit/s"
        )


if __name__ == "__main__":
    main()
