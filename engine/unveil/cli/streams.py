"""The standard streams of the process, which may be closed, lose their reader or lack letters."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, Final, TextIO

from unveil.errors import OutputUnwritable

_NOBODY_READS: Final = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ESHUTDOWN})
"""A pipe without a reader, a closed descriptor, a terminal that has gone."""


def print_line(line: str, *, err: bool = False) -> None:
    """Print a line on standard output or standard error, at once."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:  # Python's stand-in for a closed descriptor
        print(line, file=stream, flush=True)


def prepare_standard_streams() -> None:
    """Let nothing that is printed end the program, and no file take a closed stream's number.

    What nobody can read is dropped, and a character that the terminal cannot show is written as
    an escape sequence.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened would get the number, and messages that FFmpeg
            # writes to standard error would go into it.
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    for name, shown in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        if stream is None:
            # A device and no path; it stays open as long as the process.
            null = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
            setattr(sys, name, StandardStream(shown, null, is_closed=True))
        elif not isinstance(stream, StandardStream):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, StandardStream(shown, stream))


class StandardStream:
    """A text stream that drops what is written after its reader went away.

    Parameters
    ----------
    name
        What errors call it.
    stream
        The stream; what is not defined here is its own.
    is_closed
        The descriptor was closed before the program began: there is no `buffer` for bytes.

    Raises
    ------
    OutputUnwritable
        By `write` and `flush`, once: the disk is full, or the like.
    """

    def __init__(self, name: str, stream: TextIO, *, is_closed: bool = False) -> None:
        self._name = name
        self._stream = stream
        self._is_closed = is_closed

    def __getattr__(self, name: str) -> Any:
        if name == "buffer" and self._is_closed:
            raise AttributeError(name)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._detach(error)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._detach(error)

    def _detach(self, error: OSError) -> None:
        # The buffer keeps what it could not write, and writes it again when the program ends.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)
        if error.errno not in _NOBODY_READS:
            raise OutputUnwritable(
                f"{self._name}: cannot be written ({error.strerror}); free some space or choose "
                "another place"
            ) from error


def flush_standard_output(exit_code: int) -> int:
    """Write what is buffered; return the exit code, 1 in the place of 0 if it cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OutputUnwritable as error:
        print_line(f"unveil: {error}", err=True)
        return exit_code or 1
    return exit_code
