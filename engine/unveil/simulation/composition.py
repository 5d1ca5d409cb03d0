"""Composition of the frames of a simulated call: camera, service, virtual background, leaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from unveil.arrays import U8
from unveil.scoring.truth import HIT_SHARE, PURE_SHARE, Truth
from unveil.simulation.blurred_room import BlurredRoom
from unveil.simulation.service import Service, replace_background
from unveil.simulation.virtual_background import VirtualBackground

_NOISE_SLACK: Final = 64


class Camera:
    """Composites a person on the room and adds the sensor's noise."""

    def __init__(self, room: U8, noise: float, seed: int) -> None:
        self._room = room
        self._rng = np.random.default_rng((seed, 0))
        height, width, _ = room.shape
        self._noise: npt.NDArray[np.int8] | None = None
        if noise:
            # Drawn once and shifted in each frame: new noise would cost more than the rest of
            # the frame.
            shape = (height + _NOISE_SLACK, width + _NOISE_SLACK, 3)
            levels = self._rng.standard_normal(shape, np.float32) * np.float32(noise)
            self._noise = np.clip(np.rint(levels), -127, 127).astype(np.int8)

    def take(self, person: U8, matte: U8) -> U8:
        """Return the camera's picture, (h, w, 3) uint8."""
        seen = replace_background(person, self._room, matte)
        if self._noise is not None:
            y, x = self._rng.integers(0, _NOISE_SLACK, 2)
            height, width, _ = seen.shape
            noisy = seen + self._noise[y : y + height, x : x + width].astype(np.int16)
            seen = np.clip(noisy, 0, 255).astype(np.uint8)
        return seen


class Tally:
    """Counts leaks and views of the background."""

    def __init__(self, room: U8, background: U8) -> None:
        self.room = room
        self._background = background
        size = room.shape[:2]
        self._leak = np.zeros(size, np.uint8)
        self._hits = np.zeros(size, np.uint16)
        self._seen = np.zeros(size, np.uint16)

    def count(self, mask: U8, matte: U8) -> None:
        """Add a frame, given the service's mask and the person's matte, (h, w) uint8."""
        leaking = np.where(matte == 0, mask, np.uint8(0))
        np.maximum(self._leak, leaking, out=self._leak)
        for counts, here in (
            (self._hits, leaking > HIT_SHARE * 255),
            (self._seen, mask < PURE_SHARE * 255),
        ):
            np.add(counts, 1, out=counts, where=here & (counts < np.iinfo(np.uint16).max))

    def truth(self) -> Truth:
        """Return the ground truth of all frames counted."""
        return Truth(self.room, self._background, self._leak, self._hits, self._seen)


@dataclass(frozen=True, slots=True)
class SimulatedFrame:
    """A frame of a call with what it was made of.

    Attributes
    ----------
    call, camera
        (h, w, 3) uint8: what the others see, and what the camera saw.
    matte
        (h, w) uint8: 255 inside the person, 0 outside.
    """

    call: U8
    camera: U8
    matte: U8


class Compositor:
    """Makes the frames of a call in the order of time, and counts their leaks.

    Parameters
    ----------
    noisy
        Numbers of the frames that are replaced by random colours.
    """

    def __init__(
        self,
        camera: Camera,
        service: Service,
        virtual: BlurredRoom | VirtualBackground,
        tally: Tally,
        *,
        noisy: set[int],
        seed: int,
    ) -> None:
        self._camera = camera
        self._service = service
        self._virtual = virtual
        self._tally = tally
        self._noisy = noisy
        self._rng = np.random.default_rng((seed, 3))
        self._n_frames = 0

    def frame(self, person: U8, matte: U8) -> SimulatedFrame:
        """Make the next frame, given the placed person."""
        camera = self._camera.take(person, matte)
        mask = self._service.mask(camera)
        background = self._virtual.behind(camera, mask)
        is_noise = self._n_frames in self._noisy
        self._n_frames += 1
        if is_noise:
            noise = self._rng.integers(0, 256, camera.shape, dtype=np.uint8)
            return SimulatedFrame(noise, camera, matte)
        self._tally.count(mask, matte)
        return SimulatedFrame(replace_background(camera, background, mask), camera, matte)
