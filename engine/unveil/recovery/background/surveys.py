"""What an engine notes of frames with a person mask besides their colours."""

from __future__ import annotations

from collections.abc import Mapping

from unveil.arrays import Array, Bool
from unveil.counting.specification import Specification
from unveil.recovery.background.blurred_room import BlurSurvey
from unveil.recovery.background.changes import Backgrounds
from unveil.recovery.background.noise import NoiseSurvey, PixelNoise
from unveil.recovery.background.shifts import ShiftSurvey
from unveil.video.chunk import Chunk, Layout


class PersonSurveys:
    """Which background each frame shows, and whether it is a blur of the room, moves or has noise.

    Attributes
    ----------
    backgrounds, blur, shifts, noise
        The four surveys.
    """

    def __init__(self, layout: Layout) -> None:
        self.backgrounds = Backgrounds()
        self.blur = BlurSurvey(layout)
        self.shifts = ShiftSurvey(layout)
        self.noise = NoiseSurvey(layout)

    def add(self, chunk: Chunk) -> Bool:
        """Add the frames of a chunk with a person mask.

        Returns
        -------
        (n,) bool, for each frame whether the background moves, by all frames up to it.
        """
        self.backgrounds.add(chunk)
        self.blur.add(chunk)
        self.noise.add(chunk)
        return self.shifts.add(chunk)

    @property
    def pixel_noise(self) -> PixelNoise | None:
        """Noise in the pixels of the background; None if there is none, or if it moves."""
        return None if self.shifts.moves else self.noise.find()

    def merge(self, later: PersonSurveys) -> None:
        """Add the surveys of the frames after these."""
        self.backgrounds.merge(later.backgrounds)
        self.blur.merge(later.blur)
        self.shifts.merge(later.shifts)
        self.noise.merge(later.noise)

    @staticmethod
    def specification(layout: Layout) -> Specification:
        """Return the arrays of `as_arrays`."""
        surveys = Backgrounds, BlurSurvey, ShiftSurvey, NoiseSurvey
        return {name: one for kind in surveys for name, one in kind.specification(layout).items()}

    def as_arrays(self) -> dict[str, Array]:
        """Return all there is to save."""
        return {
            **self.backgrounds.as_arrays(),
            **self.blur.as_arrays(),
            **self.shifts.as_arrays(),
            **self.noise.as_arrays(),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Undo `as_arrays`.

        Raises
        ------
        ValueError
            The arrays are not those of such surveys.
        """
        self.backgrounds.restore(arrays)
        self.blur.restore(arrays)
        self.shifts.restore(arrays)
        self.noise.restore(arrays)
