"""What libraries write to standard error by themselves, without what is no error."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_START_MESSAGE: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
_lock = threading.Lock()
_started = False


def hide_encoder_log() -> None:
    """Have SVT-AV1 write errors only, unless the user's environment asks for more.

    It writes below Python, and has no other option than this variable of the environment.
    """
    os.environ.setdefault("SVT_LOG", "1")


@contextmanager
def start_message_hidden() -> Iterator[None]:
    """Remove LiteRT's start message from what is written to file descriptor 2; keep the rest.

    LiteRT writes it once in a process, below Python, when the first network is created. So only
    the first block redirects the descriptor, and writes the other lines when it ends.
    """
    global _started
    with _lock:
        if _started:
            yield
            return
        import tempfile

        try:
            terminal = os.dup(2)
        except OSError:  # standard error is closed
            yield
            return
        try:
            kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the block below
        except OSError:  # no folder for temporary files: the message is shown
            os.close(terminal)
            yield
            return
        try:
            with kept as log:
                os.dup2(log.fileno(), 2)
                try:
                    yield
                finally:
                    os.dup2(terminal, 2)
                    log.seek(0)
                    for line in log:
                        if line.strip() != _START_MESSAGE:
                            with suppress(OSError):  # nobody reads it
                                os.write(2, line)
            _started = True
        finally:
            os.close(terminal)
