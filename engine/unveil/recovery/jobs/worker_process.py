"""A process that does the jobs of a batch, one after the other, for `worker.Worker`.

It reads requests from standard input and writes answers to standard output, as pickles behind
their length. It ends with its parent: when standard input ends, whatever it is doing.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import IO, Any, Final

from unveil.errors import Interrupted, UnveilError, explain
from unveil.interruption import SIGNAL_NAMES
from unveil.memory import limit_this_process, limited_to
from unveil.progress import Progress
from unveil.recovery.jobs.job import Job
from unveil.recovery.jobs.outcome import Outcome
from unveil.redaction import redacted

LENGTH_BYTES: Final = 8


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


def main(memory_bytes: int | None) -> None:
    """Do the jobs that come by standard input, until it ends.

    Parameters
    ----------
    memory_bytes
        Memory that a job may use; None: no limit of its own.
    """
    # The parent gets the signals of a terminal, too, and says what to do.
    for name in SIGNAL_NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # What libraries print must not get between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if memory_bytes is not None:
        import unveil.recovery.tiles  # noqa: F401  # what is loaded now does not count

        limit_this_process(memory_bytes)
    jobs: SimpleQueue[Job] = SimpleQueue()
    stopped = threading.Event()
    reading = threading.Thread(target=_read, args=(jobs, stopped), daemon=True)
    reading.start()
    while True:
        job = jobs.get()
        stopped.clear()
        with limited_to(memory_bytes):
            _do(job, stopped, answers)


def _read(jobs: SimpleQueue[Job], stopped: threading.Event) -> None:
    """Take requests; the process ends with them, at once."""
    with os.fdopen(os.dup(0), "rb") as requests:
        while (message := read_message(requests)) is not None:
            if message[0] == "stop":
                stopped.set()
            else:
                jobs.put(message[1])
    os._exit(0)


def _do(job: Job, stopped: threading.Event, answers: IO[bytes]) -> None:
    def tell(progress: Progress) -> None:
        write_message(answers, "progress", progress)

    try:
        outcome = job.run(tell, stopped.is_set)
    except Interrupted:
        write_message(answers, "interrupted")
        return
    try:
        write_message(answers, "outcome", portable(outcome))
    except BrokenPipeError:  # the parent has ended
        os._exit(0)


def portable(outcome: Outcome) -> Outcome:
    """Return an outcome whose error another process can read, with its traceback as a note."""
    error = outcome.error
    if error is None:
        return outcome
    told = "".join(traceback.format_exception(error))
    with suppress(Exception):
        copy = pickle.loads(pickle.dumps(error))
        if isinstance(copy, Exception) and str(copy) == str(error):
            copy.add_note(f"In the process that did the job:\n{redacted(told)}")
            return replace(outcome, error=copy)
    substitute = UnveilError(f"{outcome.name}: {explain(error)}")
    substitute.add_note(redacted(told))
    return replace(outcome, error=substitute)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
