"""The errors, and checks of parameters.

Every error that a user can cause derives from `UnveilError`. Its message is one line that names
the thing, what is wrong with it and what to do next.
"""

from __future__ import annotations

from collections.abc import Collection

from unveil.redaction import printable, redacted


class UnveilError(Exception):
    """Base of all errors that unveil reports to the user.

    Addresses in the message are replaced by descriptions without secrets.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(redacted(str(message)))


class InvalidParameter(UnveilError, ValueError):
    """A parameter has a value that is not allowed."""


class MissingInput(UnveilError, FileNotFoundError):
    """There is no file, folder, device or stream of this name."""


class UnreadableVideo(UnveilError, ValueError):
    """The input exists, but no video can be decoded from it."""


class NoFrames(UnveilError, ValueError):
    """The video can be decoded, but the selected part of it has no frame."""


class NoPerson(UnveilError, ValueError):
    """The footage of a person shows nobody whom the network finds."""


class NoTiles(UnveilError, ValueError):
    """The picture is cut into tiles, of which none can be recovered."""


class UnreadableImage(UnveilError, ValueError):
    """The file is not an image that can be read."""


class BackgroundMismatch(UnveilError, ValueError):
    """The given background picture does not match the one in the call."""


class UnreadableTruth(UnveilError, ValueError):
    """The file is not the truth of a simulated call."""


class FrameTooLarge(UnveilError, MemoryError):
    """The per-pixel state of frames of this size does not fit into memory."""


class DamagedModel(UnveilError, OSError):
    """A network's file, which unveil ships, is missing or has been changed."""


class MissingRuntime(UnveilError, ImportError):
    """The runtime of the networks cannot be loaded; everything without a network still works."""


class IncompatibleTable(UnveilError, ValueError):
    """Two states cannot be merged, or a saved one cannot be loaded."""


class ProtectionFailed(UnveilError, RuntimeError):
    """Too many consecutive frames could not be protected."""


class CannotRedact(UnveilError, ValueError):
    """What leaks in the call cannot be told frame by frame, so it cannot be covered."""


class OutputExists(UnveilError, FileExistsError):
    """The output exists from an earlier run."""


class OutputUnwritable(UnveilError, OSError):
    """The output cannot be written: no permission, no space, not a folder."""


class OutputBusy(UnveilError, BlockingIOError):
    """Another process writes the same output now."""


class WorkerLost(UnveilError, RuntimeError):
    """The process that read an input has ended, or made no progress and was ended."""


class MissingExtra(UnveilError, ImportError):
    """A package that belongs to an optional extra is not installed."""


class CannotListen(UnveilError, OSError):
    """A server cannot listen on its address."""


class ClusterUnreachable(UnveilError, ConnectionError):
    """No scheduler answers at the address of a cluster, or it is lost."""


class WorkerFailed(UnveilError, RuntimeError):
    """A process that counts a part of a recording died again and again."""


class Interrupted(UnveilError, RuntimeError):
    """The work was asked to stop before it was complete."""

    def __str__(self) -> str:
        """Return what is not done, if that was given."""
        return super().__str__() or "stopped on request, before it was complete"


def explain(error: BaseException) -> str:
    """Return one line that says what went wrong, for any exception."""
    message = printable(" ".join(redacted(str(error)).split()))
    if isinstance(error, UnveilError):
        return message
    if isinstance(error, MemoryError):
        return f"not enough memory ({message})" if message else "not enough memory"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def check_choice(name: str, value: object, allowed: Collection[str]) -> None:
    """Raise `InvalidParameter` if `value` is not one of `allowed`."""
    if value not in allowed:
        raise InvalidParameter(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def check_positive(name: str, value: int) -> None:
    """Raise `InvalidParameter` if a number of things is below 1; NaN is refused, too."""
    if not value >= 1:
        raise InvalidParameter(f"{name}: {value} is not a positive number")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `InvalidParameter` if `value` is outside `low` to `high`; NaN is refused, too."""
    if not low <= value <= high:
        raise InvalidParameter(f"{name}: {value} is outside {low} to {high}")
