"""Signals become a request to stop; whoever waits notices it; a second signal leaves nothing."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.interrupts import ctrl_c_raises, press_ctrl_c
from unveil.errors import Interrupted
from unveil.interruption import (
    SIGNAL_NAMES,
    SignalStop,
    check,
    each,
    never,
    stop_on_signals,
    stoppable,
    take,
    until_stopped,
)

posix = pytest.mark.skipif(os.name == "nt", reason="sends signals to a thread")

SIGNALS = [getattr(signal, name) for name in SIGNAL_NAMES if hasattr(signal, name)]


@pytest.fixture
def defaults() -> Iterator[None]:
    """Give the signals their default handlers, whatever the test runner has done to them."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


# Signals


@posix
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop(defaults: None, number: int) -> None:
    before = handlers()
    with stop_on_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        time.sleep(0)
        assert stop()
        assert stop.signal_number == number
        assert stop.exit_code == 128 + number
        with pytest.raises(Interrupted):
            check(stop)
    assert handlers() == before


def test_handlers_of_the_program_and_ignored_signals_are_left_alone(defaults: None) -> None:
    for number, handler in zip(SIGNALS, (signal.SIG_IGN, lambda *_: None), strict=False):
        signal.signal(number, handler)
    before = handlers()
    with stop_on_signals():
        assert handlers()[:2] == before[:2]
        assert handlers()[2:] != before[2:] or len(SIGNALS) < 3
    assert handlers() == before


def test_an_inner_block_shares_the_request_and_restores_nothing(defaults: None) -> None:
    with stop_on_signals() as stop:
        installed = handlers()
        with stop_on_signals() as inner:
            assert inner is stop
        assert handlers() == installed


def test_other_threads_set_no_handler(defaults: None) -> None:
    before, seen = handlers(), []

    def enter() -> None:
        with stop_on_signals():
            seen.append(handlers())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_signals_that_come_together_are_one_request(defaults: None) -> None:
    """`timeout` and shells send a signal twice; the process must not end by the second one."""
    stop = SignalStop()
    stop.handle(signal.SIGTERM, None)
    stop.handle(signal.SIGTERM, None)
    stop.handle(signal.SIGINT, None)
    assert stop.signal_number == signal.SIGTERM


_ABORTED = """
import os, signal, sys, threading, time
from pathlib import Path
from unveil.files import replacing, result_folder
from unveil.interruption import REPEAT_SECONDS, stop_on_signals
from unveil.video.writer import VideoWriter
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, under which the tests may run, ignores it
folder = Path(sys.argv[1])
with (
    stop_on_signals(),
    result_folder(folder / "a" / "b"),
    replacing(folder / "a" / "b" / "text") as temporary,
    VideoWriter(folder / "a" / "b" / "video.mp4", height=16, width=16, frame_rate=25),
):
    temporary.write_text("half")
    assert len(list((folder / "a" / "b").iterdir())) == 2
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(REPEAT_SECONDS)
    os.kill(os.getpid(), signal.{second})
    time.sleep(60)
"""


@posix
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_ends_at_once_and_leaves_nothing(tmp_path: Path, second: str) -> None:
    program = _ABORTED.replace("{second}", second)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, tmp_path],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (128 + getattr(signal, second), "")
    assert not list(tmp_path.iterdir())


@posix
def test_a_signal_raises_where_work_may_stop_anywhere(defaults: None) -> None:
    def work(stop: SignalStop) -> None:
        with stoppable(stop):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    with stop_on_signals() as stop, pytest.raises(Interrupted):
        work(stop)


class SignalsInItsFinaliser:
    """Sends a signal to this process when it is removed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0)  # the handler runs at the latest here


def signal_in_a_finaliser() -> None:
    del [SignalsInItsFinaliser()][:]


def signal_in_a_callback_of_c() -> None:
    def called() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(0)
        return 0

    ctypes.CFUNCTYPE(ctypes.c_int)(called)()


@posix
@pytest.mark.parametrize("swallows", [signal_in_a_finaliser, signal_in_a_callback_of_c])
def test_what_python_swallows_is_raised_again_and_not_printed(
    defaults: None, capfd: pytest.CaptureFixture[str], swallows: Callable[[], None]
) -> None:
    hook = sys.unraisablehook

    def work(stop: SignalStop) -> None:
        with stoppable(stop):
            swallows()
            time.sleep(60)

    with stop_on_signals() as stop, pytest.raises(Interrupted):
        work(stop)
    assert capfd.readouterr().err == ""
    assert sys.unraisablehook is hook


@posix
def test_an_error_that_a_library_makes_of_a_signal_is_the_signal(defaults: None) -> None:
    def work(stop: SignalStop) -> None:
        with stoppable(stop):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            except KeyboardInterrupt:
                raise ImportError("initialization failed") from None

    with stop_on_signals() as stop, pytest.raises(Interrupted):
        work(stop)


def test_an_error_without_a_signal_stays_what_it_is(defaults: None) -> None:
    with stop_on_signals() as stop, pytest.raises(ImportError, match="no such"), stoppable(stop):
        raise ImportError("no such module")


@posix
def test_ctrl_c_alone_is_raised_where_work_may_stop_anywhere() -> None:
    def work() -> None:
        with stoppable(never):
            press_ctrl_c()
            time.sleep(60)

    with ctrl_c_raises(), pytest.raises(KeyboardInterrupt):
        work()


def test_other_requests_stop_before_and_after_such_work() -> None:
    asked = threading.Event()
    done = []

    def work() -> None:
        with stoppable(asked.is_set):
            asked.set()
            done.append("worked")

    for _ in range(2):
        with pytest.raises(Interrupted):
            work()
    assert done == ["worked"]


# Waiting


def asked_after(seconds: float) -> Callable[[], bool]:
    start = time.monotonic()
    return lambda: time.monotonic() - start > seconds


def test_waiting_for_a_queue_notices_the_request() -> None:
    queue: SimpleQueue[int] = SimpleQueue()
    with pytest.raises(Interrupted):
        take(queue, asked_after(0.05))
    queue.put(3)
    assert take(queue, never) == 3
    queue.put(4)
    with pytest.raises(Interrupted):
        take(queue, lambda: True)
    assert queue.get_nowait() == 4


def test_a_function_that_waits_for_ever_is_left_behind_and_its_late_result_discarded() -> None:
    goes_on, discarded = threading.Event(), SimpleQueue[str]()

    def function() -> str:
        goes_on.wait()
        return "late"

    with pytest.raises(Interrupted):
        until_stopped(function, asked_after(0.05), discard=discarded.put)
    goes_on.set()
    assert discarded.get(timeout=20) == "late"


@posix
def test_ctrl_c_leaves_such_a_function_behind_too() -> None:
    goes_on, discarded = threading.Event(), SimpleQueue[str]()

    def function() -> str:
        press_ctrl_c()
        goes_on.wait()
        return "late"

    with ctrl_c_raises(), pytest.raises(KeyboardInterrupt):
        until_stopped(function, never, discard=discarded.put)
    goes_on.set()
    assert discarded.get(timeout=20) == "late"


def test_a_function_that_returns_or_fails_does_so_for_the_caller() -> None:
    discarded: list[int] = []
    assert until_stopped(lambda: 5, never, discard=discarded.append) == 5
    assert discarded == []
    with pytest.raises(ZeroDivisionError):
        until_stopped(lambda: 1 // 0, never)


def test_items_come_until_the_request() -> None:
    assert list(each([1, None, 3], never)) == [1, None, 3]
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        goes_on.wait()

    asked = threading.Event()
    iterator = each(items(), asked.is_set)
    assert next(iterator) == 1
    asked.set()
    with pytest.raises(Interrupted):
        next(iterator)
    goes_on.set()
