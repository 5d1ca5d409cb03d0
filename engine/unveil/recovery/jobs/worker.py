"""Jobs in a process of their own: a crash of FFmpeg, or a hang, costs one job and no other."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Final, Self

from unveil.child_process import child_command, read_message, write_message
from unveil.errors import Interrupted, WorkerLost
from unveil.interruption import POLL_SECONDS, StopRequested, before_abort
from unveil.progress import ProgressCallback, Stage
from unveil.recovery.jobs.job import Job, NeedsAllWorkers
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import WATCHDOG_SECONDS

_GRACE_SECONDS: Final = 10.0
"""Time in which a process may end its job after a request to stop."""

_GRACE_BEFORE_COUNTING_SECONDS: Final = 0.5
"""The same while it has no frame: the compilation of kernels takes minutes."""

_KILLED: Final = -9
"""Exit code of a process that SIGKILL ended, as a system does that lacks memory."""

_KEPT_LINES: Final = 20
_MAX_LINE_BYTES: Final = 4096


class Worker:
    """A process that does one job after the other, and is started again after one that ended it.

    Use it as a context manager. Not thread-safe.

    Parameters
    ----------
    watchdog_seconds
        A process that makes no progress for so long, the compilation of kernels left out, is
        ended. None waits for ever.
    memory_bytes
        Memory that a job may use; None: as much as there is. What is known to need more is
        refused before it is allocated.
    memory_is_limited
        Whether the process cannot get more than that, whatever it needs it for.
    """

    def __init__(
        self,
        *,
        watchdog_seconds: float | None = WATCHDOG_SECONDS,
        memory_bytes: int | None = None,
        memory_is_limited: bool = True,
    ) -> None:
        self._watchdog_seconds = watchdog_seconds
        self._memory_bytes = memory_bytes
        self._memory_is_limited = memory_is_limited and memory_bytes is not None
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        """Return the worker; its process is started by the first job."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def run(self, job: Job, progress: ProgressCallback, stop: StopRequested) -> Outcome:
        """Do a job in the process; its crash, and its end by the watchdog, are a failed outcome.

        Nothing of a job that failed in this way is left in its folder.

        Raises
        ------
        Interrupted
            `stop` asked for it, before the result was complete.
        NeedsAllWorkers
            As for `Job.run`; also if the process of a job beside others ended as one does that
            lacks memory.
        """
        if self._process is None:
            self._process = _Process(self._memory_bytes, self._memory_is_limited)
        try:
            self._process.send("run", job)
            return self._follow(self._process, job, progress, stop)
        except _Ended as ended:
            self.close()
            job.remove_unfinished()
            if stop():  # a signal to the whole group has ended it, too
                raise Interrupted from None
            if job.beside_others and ended.lacked_memory:
                raise NeedsAllWorkers from None
            return Outcome(job.source.name, "failed", error=WorkerLost(ended.message(job)))
        except (Interrupted, NeedsAllWorkers):
            raise
        except BaseException:
            # Ctrl-C, or a callback that failed: let the process end its job cleanly.
            if not self._end_job(self._process):
                self.close()
                job.remove_unfinished()
            raise

    def _follow(
        self, process: _Process, job: Job, progress: ProgressCallback, stop: StopRequested
    ) -> Outcome:
        """Pass messages on until the job is done."""
        asked_at: float | None = None
        last = time.monotonic()
        stage: Stage = "prepare"
        while True:
            message = process.receive(POLL_SECONDS)
            now = time.monotonic()
            if message is None:
                if asked_at is None and stop():
                    asked_at = now
                    process.send("stop")
                if asked_at is not None and now - asked_at > _grace_seconds(stage):
                    raise _Ended("did not stop on request and was ended")
                limit = self._watchdog_seconds
                if stage != "compile" and limit is not None and now - last > limit:
                    raise _Ended(
                        f"made no progress for {limit:g} s and was ended; --watchdog allows it "
                        "more time"
                    )
                continue
            last = now
            kind, *content = message
            if kind == "outcome":
                outcome: Outcome = content[0]
                return outcome
            if kind == "interrupted":
                raise Interrupted
            if kind == "needs all workers":
                raise NeedsAllWorkers
            stage = content[0].stage
            progress(content[0])
            if asked_at is None and stop():
                asked_at = now
                process.send("stop")

    @staticmethod
    def _end_job(process: _Process) -> bool:
        """Ask for the end of the job; tell whether the process can take another one."""
        deadline = time.monotonic() + _GRACE_SECONDS
        try:
            process.send("stop")
            while time.monotonic() < deadline:
                message = process.receive(POLL_SECONDS)
                if message is not None and message[0] != "progress":
                    return True
        except (_Ended, KeyboardInterrupt):
            pass
        return False


def _grace_seconds(stage: Stage) -> float:
    before_counting = stage in ("prepare", "compile")
    return _GRACE_BEFORE_COUNTING_SECONDS if before_counting else _GRACE_SECONDS


class _Ended(Exception):
    """The process has ended, or must be."""

    def __init__(self, what: str, *, lacked_memory: bool = False) -> None:
        super().__init__(what)
        self._what = what
        self.lacked_memory = lacked_memory

    def message(self, job: Job) -> str:
        return f"{job.source.name}: the process that read it {self._what}"


class _Process:
    """A started process, its messages and the last lines that it wrote to standard error."""

    def __init__(self, memory_bytes: int | None, memory_is_limited: bool) -> None:
        self._memory_is_limited = memory_is_limited
        self._popen = subprocess.Popen(
            child_command("unveil.recovery.jobs.worker_process", memory_bytes, memory_is_limited),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._messages: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._threads = [
            threading.Thread(target=function, daemon=True, name="unveil-worker")
            for function in (self._read_messages, self._read_lines)
        ]
        for thread in self._threads:
            thread.start()
        self._pending = ExitStack()
        self._pending.enter_context(before_abort(self._popen.kill))

    def send(self, *message: Any) -> None:
        """Send a message; the end of the process is noticed by `receive`."""
        stdin = self._popen.stdin
        assert stdin is not None
        with suppress(BrokenPipeError):
            write_message(stdin, *message)

    def receive(self, seconds: float) -> tuple[Any, ...] | None:
        """Return the next message, None if none comes in time."""
        try:
            message = self._messages.get(timeout=seconds)
        except Empty:
            return None
        if message is None:
            self._popen.wait()
            raise _Ended(self._how_it_ended(), lacked_memory=self._may_have_lacked_memory)
        return message

    def kill(self) -> None:
        """End the process at once."""
        self._popen.kill()
        self._popen.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._pending.close()

    def _read_messages(self) -> None:
        assert self._popen.stdout is not None
        while (message := _message_of(self._popen.stdout)) is not None:
            self._messages.put(message)
        self._messages.put(None)

    def _read_lines(self) -> None:
        assert self._popen.stderr is not None
        while line := self._popen.stderr.readline(_MAX_LINE_BYTES):
            self._lines.append(line.decode(errors="replace").strip())

    @property
    def _may_have_lacked_memory(self) -> bool:
        # A library that gets no memory ends the process in any way.
        return self._memory_is_limited or self._popen.returncode == _KILLED

    def _how_it_ended(self) -> str:
        code = self._popen.returncode
        self._threads[1].join(1.0)
        said = f" ({self._lines[-1]})" if self._lines else ""
        if code >= 0:
            return f"ended with exit code {code}{said}; please report this"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL":
            return "was killed (SIGKILL), as a system does that lacks memory"
        return f"crashed ({name}){said}; convert the recording with FFmpeg's program first"


def _message_of(stream: IO[bytes]) -> tuple[Any, ...] | None:
    with suppress(OSError, ValueError):  # closed while it is read
        return read_message(stream)
    return None
