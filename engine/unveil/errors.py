"""What can go wrong, and what to do about it.

Every error that a user can cause derives from `UnveilError`; its message is one
line that names the thing, what is wrong with it and what to do next.
"""

from __future__ import annotations

from collections.abc import Collection


class UnveilError(Exception):
    """Anything that unveil reports instead of crashing."""


class InvalidParameter(UnveilError, ValueError):
    """A parameter lies outside what it may be."""


class MissingInput(UnveilError, FileNotFoundError):
    """No file, folder, device or stream of this name."""


class UnreadableVideo(UnveilError, ValueError):
    """The input exists, but no video can be decoded from it."""


class NoFrames(UnveilError, ValueError):
    """The video is sound, but the chosen part of it holds no frame."""


class UnreadableImage(UnveilError, ValueError):
    """The file is not an image that can be read."""


class BackgroundMismatch(UnveilError, ValueError):
    """The picture given as the virtual background is not what the call shows."""


class UnreadableTruth(UnveilError, ValueError):
    """The file is not the truth of a simulated call."""


class FrameTooLarge(UnveilError, MemoryError):
    """The per-pixel state of such frames does not fit into this machine's memory."""


class DamagedModel(UnveilError, OSError):
    """A network's file that came with unveil is missing or not what it was."""


class MissingRuntime(UnveilError, ImportError):
    """What runs the networks cannot be loaded; all that needs no network works."""


class IncompatibleTable(UnveilError, ValueError):
    """Two states cannot be merged, or a saved one cannot be loaded."""


class ProtectionFailed(UnveilError, RuntimeError):
    """Frame after frame could not be protected."""


class OutputExists(UnveilError, FileExistsError):
    """The output holds an earlier result."""


class OutputUnwritable(UnveilError, OSError):
    """The output cannot be written: no permission, no space, not a folder."""


def explain(error: BaseException) -> str:
    """Say in one line what went wrong, of unveil's own errors and of any other."""
    said = " ".join(str(error).split())
    if isinstance(error, UnveilError):
        return said
    if isinstance(error, MemoryError):
        return f"not enough memory ({said})" if said else "not enough memory"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def check_choice(name: str, value: object, allowed: Collection[str]) -> None:
    """Raise `InvalidParameter` where `value` is none of the allowed ones."""
    if value not in allowed:
        raise InvalidParameter(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def check_positive(name: str, value: float) -> None:
    """Raise `InvalidParameter` where `value` is not above 0, or is no number."""
    if not value > 0:
        raise InvalidParameter(f"{name}: {value} is not a positive number")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `InvalidParameter` where `value` lies outside `low` to `high`, or is no number."""
    if not low <= value <= high:  # a NaN is outside, too
        raise InvalidParameter(f"{name}: {value} is outside {low} to {high}")
