"""Draws docs/recoveries.png: a call that `unveil recover` does well, and one where it fails.

The first is the call with a person of `unveil demo`. In the second, "launch" of `bench.simulated`,
the service's mask is four frames late. Both show an astronaut (a still by NASA, public domain, from
scikit-image) in a drawn room. The default method recovers both, without any option.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from bench.methods import Image as Picture
from bench.quality import simulated
from bench.report import ROOT
from bench.sheets import early_frame, leaked, over_checkerboard, page
from unveil import recover
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import Truth
from unveil.simulation.astronaut import AstronautCall

PICTURE = ROOT / "docs" / "recoveries.png"
WIDTH = 310


def main() -> None:
    """Draw the picture."""
    with tempfile.TemporaryDirectory() as folder:
        own = AstronautCall().simulate(Path(folder))
        cells = _row(own.call, own.truth)
    (launch,) = simulated(["launch"])
    cells += _row(launch.call, launch.truth)
    drawn = page(cells, WIDTH, columns=4).quantize(256, dither=Image.Dither.NONE)
    drawn.save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


def _row(call: Path, truth_file: Path) -> list[tuple[Picture, str]]:
    truth = Truth.read(truth_file)
    room = recover(call).room
    score = measure_recovery(room, truth)
    return [
        (early_frame(call), "a frame of the call"),
        (over_checkerboard(room), f"recovered: F {score.f:.2f}"),
        (over_checkerboard(leaked(truth)), "what leaked strongly"),
        (truth.room, "the room"),
    ]


if __name__ == "__main__":
    main()
