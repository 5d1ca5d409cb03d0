"""A process that does the jobs of a batch, one after the other, for `worker.Worker`."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import IO, Any

from unveil.child_process import messages_to_parent, take_from_parent, write_message
from unveil.errors import Interrupted
from unveil.interruption import SIGNAL_NAMES
from unveil.memory import limit_this_process, limited_to
from unveil.progress import Progress
from unveil.recovery.jobs.job import Job, NeedsAllWorkers
from unveil.recovery.jobs.outcome import portable


def main(memory_bytes: int | None, memory_is_limited: bool) -> None:
    """Do the jobs that the parent sends, until it ends.

    Parameters
    ----------
    memory_bytes, memory_is_limited
        As for `worker.Worker`.
    """
    answers = messages_to_parent(ignored_signals=SIGNAL_NAMES)
    if memory_bytes is not None and memory_is_limited:
        import unveil.recovery.tiles  # noqa: F401  # what is loaded now does not count

        limit_this_process(memory_bytes)
    jobs: SimpleQueue[Job] = SimpleQueue()
    stopped = threading.Event()

    def take(request: str, *content: Any) -> None:
        if request == "stop":
            stopped.set()
        else:
            jobs.put(content[0])

    take_from_parent(take)
    while True:
        job = jobs.get()
        stopped.clear()
        with limited_to(memory_bytes):
            _do(job, stopped, answers)


def _do(job: Job, stopped: threading.Event, answers: IO[bytes]) -> None:
    def tell(progress: Progress) -> None:
        write_message(answers, "progress", progress)

    try:
        outcome = job.run(tell, stopped.is_set)
    except Interrupted:
        write_message(answers, "interrupted")
        return
    except NeedsAllWorkers:
        write_message(answers, "needs all workers")
        return
    try:
        write_message(answers, "outcome", portable(outcome))
    except BrokenPipeError:  # the parent has ended
        os._exit(0)
