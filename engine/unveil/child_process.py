"""Child processes of the program: how one is started, and what it and its parent tell each other.

Messages are pickles behind their length, over the child's standard input and output. A child ends
when its input does, so that none is left behind when its parent is killed.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing import spawn
from typing import IO, Any, Final

from unveil.errors import UnveilError, explain
from unveil.redaction import redacted

LENGTH_BYTES: Final = 8

# Not by multiprocessing, which would import the main module of the caller's program again.
_PROGRAM: Final = """
import importlib, json, sys
path, module, arguments = map(json.loads, sys.argv[1:])
sys.path[:] = path
importlib.import_module(module).main(*arguments)
"""


def child_command(module: str, *arguments: Any) -> list[str]:
    """Return the command that calls `main` of a module, with arguments that JSON can hold."""
    told = [[*map(str, sys.path)], module, arguments]
    return [os.fsdecode(spawn.get_executable()), "-c", _PROGRAM, *map(json.dumps, told)]


def messages_to_parent(*, ignored_signals: Iterable[str]) -> IO[bytes]:
    """Return a child's stream of messages to its parent; what is printed goes to standard error.

    `ignored_signals` are the names of those that a terminal sends to the parent, too, which then
    says what to do.
    """
    for name in ignored_signals:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the messages
    return stream


def take_from_parent(take: Callable[..., object]) -> None:
    """Call `take` with each message of the parent, in a thread of its own.

    The process ends with the messages, whatever it is doing.
    """

    def read() -> None:
        with os.fdopen(os.dup(0), "rb") as stream, suppress(Exception):
            while (message := read_message(stream)) is not None:
                take(*message)
        os._exit(0)

    threading.Thread(target=read, name="unveil-parent", daemon=True).start()


def write_message(stream: IO[bytes], *message: Any) -> None:
    """Write a message: its length, least significant byte first, and its pickle."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(len(content).to_bytes(LENGTH_BYTES, "little") + content)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[Any, ...] | None:
    """Read a message; None at the end of the stream, also in the middle of a message."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "little")
    content = stream.read(size)
    if len(content) < size:
        return None
    message: tuple[Any, ...] = pickle.loads(content)
    return message


def portable_error(error: Exception, name: str) -> Exception:
    """Return an error that another process can read, with its traceback as a note.

    One that cannot be pickled becomes an `UnveilError` about what is called `name`.
    """
    told = redacted("".join(traceback.format_exception(error)))
    with suppress(Exception):
        copy = pickle.loads(pickle.dumps(error))
        if isinstance(copy, Exception) and str(copy) == str(error):
            copy.add_note(f"In the process that did the job:\n{told}")
            return copy
    substitute = UnveilError(f"{name}: {explain(error)}")
    substitute.add_note(told)
    return substitute
