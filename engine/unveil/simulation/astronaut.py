"""The call of demonstrations and evaluations: a person sways in a drawn room and leaves it.

The person is Eileen Collins, photographed by NASA (public domain; the photo is scikit-image's
`astronaut`), cut out by BlazePose Heavy; astronaut.webp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from unveil.interruption import StopRequested, never
from unveil.progress import ProgressCallback
from unveil.simulation.lingering import LingeringSegmenter
from unveil.simulation.remembered import RememberedMasks
from unveil.simulation.simulate import Simulation, simulate_call

if TYPE_CHECKING:
    from os import PathLike

    from unveil.arrays import U8
    from unveil.simulation.subject import Mask

ASTRONAUT: Final = Path(__file__).with_name("astronaut.webp")

HEIGHT: Final = 360
WIDTH: Final = 640
N_FRAMES: Final = 250
FRAME_RATE: Final = 25.0
N_MASKS: Final = 12
"""Frames for which the service takes a place for the person after the person has left it."""


class AstronautCall:
    """Simulates the call before any backgrounds.

    A real network segments the person; the service keeps its masks for half a second, so the room
    trails behind each movement. The network runs for the first background only.

    Parameters
    ----------
    n_frames, frame_rate
        Length of the call in frames, and frames per second.
    threads
        Threads of the network, decoders and the encoder; None uses one per core.
    """

    def __init__(
        self,
        n_frames: int = N_FRAMES,
        frame_rate: float = FRAME_RATE,
        *,
        threads: int | None = None,
    ) -> None:
        self._n_frames = n_frames
        self._frame_rate = frame_rate
        self._threads = threads
        self._lingering: LingeringSegmenter | None = None
        self._masks = RememberedMasks(self._mask)

    def simulate(
        self,
        folder: str | PathLike[str],
        background: str | PathLike[str] = "landscape",
        *,
        camera_only: bool = False,
        progress: ProgressCallback | None = None,
        stop: StopRequested = never,
    ) -> Simulation:
        """Simulate the call before a background; arguments and errors are `simulate_call`'s."""
        self._masks.rewind()
        return simulate_call(
            folder,
            ASTRONAUT,
            "furnished",
            background,
            height=HEIGHT,
            width=WIDTH,
            n_frames=self._n_frames,
            frame_rate=self._frame_rate,
            scale=0.8,
            motions=("sway", "leave"),
            segmenter=self._masks,
            camera_noise=0.5,
            bit_rate=3_000_000,
            camera_only=camera_only,
            seed=1,
            threads=self._threads,
            progress=progress,
            stop=stop,
        )

    def _mask(self, picture: U8) -> Mask:
        if self._lingering is None:
            # Imported late: networks load slowly.
            from unveil.person import Segmenter

            network = Segmenter("selfie", threads=self._threads)
            self._lingering = LingeringSegmenter(network, N_MASKS)
        return self._lingering.mask(picture)
