"""Requests to stop at the next safe point, and the signals that the command line turns into them.

Long work takes `stop`, a function without arguments that returns whether to stop. The work calls
it where nothing is half done, and while it waits for data. It then raises `Interrupted`, or ends
with the result so far where its documentation says so. `threading.Event().is_set` is such a
function; the command line's is a `SignalStop`. The library itself installs no signal handler.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final, TypeAlias, TypeVar

from unveil.errors import Interrupted

StopRequested: TypeAlias = Callable[[], bool]
"""Returns whether to stop; called from several threads."""

POLL_SECONDS: Final = 0.2
"""Longest time between two calls of `stop` while work waits for data."""

SIGNAL_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C; `kill`, systemd and `docker stop`; a terminal that closes. Windows has no SIGHUP."""

REPEAT_SECONDS: Final = 0.25
"""Signals within this time after the first belong to it.

`timeout` sends its signal to the process and to its group, systemd may send SIGHUP with SIGTERM,
and a shell passes on the SIGHUP that the terminal has sent already.
"""

_SWALLOWED_SECONDS: Final = 0.02
"""Time after which a `KeyboardInterrupt` that was swallowed is raised again."""

_T = TypeVar("_T")


def never() -> bool:
    """Return False: nothing asks to stop."""
    return False


def check(stop: StopRequested) -> None:
    """Raise `Interrupted`, which says no more, if `stop` asks for it."""
    if stop():
        raise Interrupted


def take(queue: SimpleQueue[_T], stop: StopRequested) -> _T:
    """Take the next item of a queue.

    Raises
    ------
    Interrupted
        `stop` asked for it before there was an item; the queue is unchanged.
    """
    while True:
        check(stop)
        with suppress(Empty):
            return queue.get(timeout=POLL_SECONDS)


def until_stopped(
    function: Callable[[], _T],
    stop: StopRequested,
    *,
    discard: Callable[[_T], object] = lambda result: None,
) -> _T:
    """Call a function that may wait for ever, such as one that opens a device.

    It runs in a thread of its own. That thread is left behind on `stop` and on Ctrl-C;
    `discard` is called with a result that comes later.

    Raises
    ------
    Interrupted
        `stop` asked for it before the function returned.
    """
    results: SimpleQueue[_T] = SimpleQueue()
    errors: list[BaseException] = []
    ended: SimpleQueue[None] = SimpleQueue()
    lock = threading.Lock()
    left_behind = False

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            errors.append(error)
        else:
            with lock:
                late = left_behind
                if not late:
                    results.put(result)
            if late:
                discard(result)
        ended.put(None)

    try:
        threading.Thread(target=run, name="unveil-wait", daemon=True).start()
        take(ended, stop)
    except BaseException:
        with lock:
            left_behind = True
        with suppress(Empty):
            discard(results.get_nowait())
        raise
    if errors:
        raise errors[0]
    return results.get_nowait()


def each(items: Iterable[_T], stop: StopRequested) -> Iterator[_T]:
    """Iterate over items whose iterator may wait for ever.

    Raises
    ------
    Interrupted
        `stop` asked for it before the next item came.
    """
    iterator = iter(items)
    end = object()
    while (item := until_stopped(lambda: next(iterator, end), stop)) is not end:
        yield item  # type: ignore[misc]  # a sentinel of type object ends the iteration


_last_acts: list[Callable[[], object]] = []


@contextmanager
def before_abort(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` if a second signal ends the process during the block.

    For what must not be left behind: a temporary file, a terminal without a cursor. `act` runs in
    a signal handler, so it must not wait for a lock.
    """
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


def _abort(exit_code: int) -> None:
    for act in list(_last_acts)[::-1]:
        with suppress(Exception):
            act()
    os._exit(exit_code)


class SignalStop:
    """A request to stop that signals make: the first one asks, a second one ends the process.

    Attributes
    ----------
    signal_number
        The first signal, None before it came.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._since = 0.0
        self._raises = False
        self._is_again = False

    def __call__(self) -> bool:
        """Return whether a signal has come."""
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """Exit code of a process that a signal ended before its work was complete: 128 + number.

        That is 130 for SIGINT, and for a `KeyboardInterrupt` without a signal.
        """
        return 128 + (self.signal_number or signal.SIGINT)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Let a signal raise `KeyboardInterrupt` at once: for work that can stop anywhere.

        In the main thread. Python swallows and prints what is raised in a callback of a C library
        (LLVM calls some while it compiles) and in a finaliser: it is raised again a little later.
        An extension module that is being imported makes an ImportError of it, a C library an error
        of its own: what the block raises after a signal is `KeyboardInterrupt`, whatever it was.
        """
        had_signal = self.signal_number is not None
        before, self._raises = self._raises, True
        hook = sys.unraisablehook
        again: list[threading.Timer] = []

        def unraisable(swallowed: sys.UnraisableHookArgs) -> None:
            if self.signal_number is None or swallowed.exc_type is not KeyboardInterrupt:
                hook(swallowed)
                return
            again.append(threading.Timer(_SWALLOWED_SECONDS, self._handle_again))
            again[-1].start()

        sys.unraisablehook = unraisable
        try:
            yield
        except Exception as error:
            if self.signal_number is not None and not had_signal:
                raise KeyboardInterrupt from error
            raise
        finally:
            self._raises = before
            sys.unraisablehook = hook
            for timer in again:
                timer.cancel()
                timer.join()

    def _handle_again(self) -> None:
        assert self.signal_number is not None
        self._is_again = True
        if hasattr(signal, "pthread_kill"):  # wakes a system call that waits
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, self.signal_number)
        else:
            _thread.interrupt_main(signal.Signals(self.signal_number))

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal, in the main thread."""
        now = time.monotonic()
        if self.signal_number is None:
            self.signal_number = number
            self._since = now
            if self._raises:
                raise KeyboardInterrupt
        elif self._is_again:
            self._is_again = False
            if self._raises:
                raise KeyboardInterrupt
        elif now - self._since >= REPEAT_SECONDS:
            _abort(128 + number)


@contextmanager
def stoppable(stop: StopRequested) -> Iterator[None]:
    """Stop at once in the block where that is possible, else after it.

    For work in the main thread that calls `stop` nowhere and has no state to tear, such as the
    compilation of kernels. A `SignalStop` raises in it.

    Raises
    ------
    Interrupted
        `stop` asked for it.
    """
    check(stop)
    try:
        if isinstance(stop, SignalStop):
            with stop.raising():
                yield
        else:
            yield
    except KeyboardInterrupt:
        check(stop)
        raise
    check(stop)


_installed: SignalStop | None = None


@contextmanager
def stop_on_signals() -> Iterator[SignalStop]:
    """Handle SIGINT, SIGTERM and SIGHUP as requests to stop, until the block ends.

    Only signals with Python's or the system's default handler are taken: a handler of the
    program, and a signal that is ignored, as `nohup` ignores SIGHUP, stay as they are. Outside
    of the main thread, which alone may set handlers, none is set. A block inside another one
    shares its `SignalStop`.
    """
    global _installed
    if _installed is not None:
        yield _installed
        return
    stop = SignalStop()
    replaced = {}
    if threading.current_thread() is threading.main_thread():
        defaults = (signal.SIG_DFL, signal.default_int_handler)
        numbers = (getattr(signal, name) for name in SIGNAL_NAMES if hasattr(signal, name))
        replaced = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) in defaults}
    _installed = stop
    try:
        for number in replaced:
            signal.signal(number, stop.handle)
        yield stop
    finally:
        _installed = None
        for number, handler in replaced.items():
            signal.signal(number, handler)
