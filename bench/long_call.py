"""Long calls: short simulated calls of varied content, joined by copying their packets.

The calls have one room, one virtual background and one camera; the person's motion, phase and
size, and the noise, differ. They are joined in a random order with a fixed seed, so nothing is
encoded for hours, and each part costs a decoder what a camera's recording would.
`python -m bench.long_call --hours 3` makes a call in advance, into `bench/work/`.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from bench.calls import SIZES, WORK, Call, inspected, join

FRAME_RATE = 25
PART_SECONDS = 10
BIT_RATES = {360: 500_000, 720: 1_500_000, 1080: 3_000_000}


@dataclass(frozen=True, slots=True)
class Part:
    """How the person of a short call moves, and the person's size."""

    motions: tuple[str, ...]
    scale: float


PARTS = (
    Part(("sway",), 0.8),
    Part(("lean",), 1.0),
    Part(("sway", "leave"), 0.9),
    Part(("zoom",), 0.8),
    Part(("lean", "sway"), 0.7),
    Part(("zoom", "lean", "leave"), 1.0),
)


def long_call(height: int, hours: float, part_seconds: int = PART_SECONDS) -> Call:
    """Return a call of about this length, a whole number of parts; make it if it is missing."""
    n_parts = max(1, round(hours * 3600 / part_seconds))
    path = WORK / f"long-{height}p-{n_parts}x{part_seconds}s.mp4"
    if not path.exists():
        parts = [_part(height, number, part_seconds) for number in range(len(PARTS))]
        rng = random.Random(n_parts)
        join(rng.choices(parts, k=n_parts), path)
    return inspected(path)


def _part(height: int, number: int, seconds: int) -> Path:
    folder = WORK / f"part-{height}p-{seconds}s-{number}"
    path = folder / "call.mp4"
    if not path.exists():
        # Imported late: a runner whose calls exist stays a small process.
        from PIL import Image

        from unveil.simulation import scenes
        from unveil.simulation.astronaut import ASTRONAUT
        from unveil.simulation.simulate import simulate_call

        folder.mkdir(parents=True, exist_ok=True)
        width = SIZES[height][0]
        # Pictures, because a scene of the simulation depends on the seed.
        room, background = folder / "room.png", folder / "background.png"
        Image.fromarray(scenes.photo_room(height, width)).save(room)
        Image.fromarray(scenes.landscape(height, width)).save(background)
        chosen = PARTS[number]
        simulate_call(
            folder,
            ASTRONAUT,
            room,
            background,
            height=height,
            width=width,
            n_frames=seconds * FRAME_RATE,
            frame_rate=FRAME_RATE,
            scale=chosen.scale,
            motions=chosen.motions,
            camera_noise=0.5,
            bit_rate=BIT_RATES[height],
            seed=number,
            force=True,
        )
    return path


def main() -> None:
    """Make a call in advance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=720, choices=SIZES)
    parser.add_argument("--hours", type=float, default=3.0)
    options = parser.parse_args()
    call = long_call(options.height, options.hours)
    print(
        f"{call.path.name}: {call.width} x {call.height}, {call.n_frames} frames, "
        f"{call.bits_per_second / 1e6:.2f} Mbit/s"
    )


if __name__ == "__main__":
    main()
