"""Bands cover every row once, whatever the threads, errors and interrupts; compiling is noticed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.interrupts import ctrl_c_raises, press_ctrl_c
from unveil.parallel import (
    BAND_ALIGNMENT,
    Bands,
    available_cores,
    on_first_compile,
    uninterrupted,
)

posix = pytest.mark.skipif(os.name == "nt", reason="sends signals to a thread")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    with ctrl_c_raises():
        yield


@settings(max_examples=100)
@given(
    n_threads=st.integers(1, 3),
    n_rows=st.integers(1, 70),
    band_rows=st.one_of(st.none(), st.integers(1, 80)),
)
def test_every_row_is_visited_once(n_threads: int, n_rows: int, band_rows: int | None) -> None:
    visited: list[tuple[int, int]] = []
    Bands(n_threads).run(lambda a, b: visited.append((a, b)), n_rows, band_rows)
    assert sorted(row for a, b in visited for row in range(a, b)) == list(range(n_rows))
    assert all(a % BAND_ALIGNMENT == 0 for a, _ in visited)
    if band_rows is not None:
        assert all(b - a <= -(-band_rows // BAND_ALIGNMENT) * BAND_ALIGNMENT for a, b in visited)


def test_one_thread_is_the_callers() -> None:
    threads = set()
    Bands(1).run(lambda a, b: threads.add(threading.current_thread()), 100)
    assert threads == {threading.current_thread()}


def test_threads_work_at_once() -> None:
    both = threading.Barrier(2, timeout=20)
    waited = []

    def step(first: int, last: int) -> None:
        if first in (0, 4):
            waited.append(both.wait())

    Bands(2).run(step, 100, 4)
    assert len(waited) == 2


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_is_raised_and_the_bands_stay_usable(n_threads: int) -> None:
    bands = Bands(n_threads)

    def fail(first: int, last: int) -> None:
        if first == 8:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bands.run(fail, 40, 4)
    visited: list[int] = []
    bands.run(lambda a, b: visited.append(a), 40, 4)
    assert sorted(visited) == list(range(0, 40, 4))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_all_other_bands_have_ended_when_an_error_is_raised(
    n_threads: int, error: type[BaseException]
) -> None:
    ended: list[int] = []

    def step(first: int, last: int) -> None:
        if first == 0:
            raise error
        time.sleep(0.002)  # these bands are not done when the first one has failed
        ended.append(first)

    with pytest.raises(error):
        Bands(n_threads).run(step, 40, 4)
    assert sorted(ended) == list(range(4, 40, 4))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_error_of_the_first_band_is_raised(n_threads: int) -> None:
    """Not of the one that happened to fail first."""
    failed = threading.Event()

    def step(first: int, last: int) -> None:
        if first == 4:
            if n_threads == 2:
                assert failed.wait(20)
            raise ValueError("second band")
        if first > 4:
            failed.set()
            raise ValueError("later band")

    with pytest.raises(ValueError, match="second band"):
        Bands(n_threads).run(step, 40, 4)


@posix
@pytest.mark.parametrize("n_threads", [1, 2])
def test_all_bands_have_ended_after_ctrl_c(n_threads: int, ctrl_c: None) -> None:
    ended: list[int] = []

    def step(first: int, last: int) -> None:
        ended.append(first)
        if first == 8:
            press_ctrl_c()
        time.sleep(0.002)

    with pytest.raises(KeyboardInterrupt):
        Bands(n_threads).run(step, 80, 4)
    n_ended = len(ended)
    time.sleep(0.02)  # a band that still runs would be counted now
    assert len(ended) == n_ended
    if n_threads == 1:
        assert sorted(ended) == list(range(0, 80, 4))


@posix
def test_ctrl_c_is_raised_when_the_function_has_ended(ctrl_c: None) -> None:
    done = []

    def inner() -> None:
        press_ctrl_c()
        time.sleep(0.01)
        done.append("inner")

    def outer() -> None:
        uninterrupted(inner)
        press_ctrl_c()
        time.sleep(0.01)
        done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(outer)
    assert done == ["inner", "outer"]
    assert uninterrupted(lambda: "again") == "again"


@posix
def test_the_handler_of_ctrl_c_is_left_alone(ctrl_c: None) -> None:
    numbers: list[int] = []

    def handle(number: int, frame: object) -> None:
        numbers.append(number)

    signal.signal(signal.SIGINT, handle)

    def function() -> object:
        press_ctrl_c()
        return signal.getsignal(signal.SIGINT)

    assert uninterrupted(function) is handle
    assert numbers == [signal.SIGINT]


@posix
def test_an_error_in_the_function_does_not_lose_ctrl_c(ctrl_c: None) -> None:
    def fail() -> None:
        press_ctrl_c()
        time.sleep(0.01)
        raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt) as raised:
        uninterrupted(fail)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_an_error_in_the_function_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        uninterrupted(lambda: 1 / 0)


# Python ignores what is raised in callbacks of weak references, as to a thread that has ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@posix
@pytest.mark.parametrize("delay_microseconds", [0, 10, 30, 60, 100, 200, 400])
def test_ctrl_c_at_any_moment_calls_the_function_whole_or_not_at_all(
    ctrl_c: None, delay_microseconds: int
) -> None:
    """The signal also comes while the thread starts, and before anything has begun."""
    steps: list[int] = []

    def function() -> None:
        steps.append(1)
        time.sleep(0.001)
        steps.append(2)

    for _ in range(20):
        steps.clear()
        pressing = threading.Timer(delay_microseconds * 1e-6, press_ctrl_c)
        ended = False
        try:
            pressing.start()
            uninterrupted(function)
            ended = True
            pressing.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            pass
        assert steps == [1, 2] or (steps == [] and not ended)
        pressing.join()


def test_other_threads_call_the_function_themselves() -> None:
    seen = []
    caller = threading.Thread(target=lambda: seen.append(uninterrupted(threading.current_thread)))
    caller.start()
    caller.join()
    assert seen == [caller]


def test_cores_that_a_container_limits_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_cores() >= 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 6}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_the_first_compilation_alone_is_noticed() -> None:
    events = []

    @numba.njit
    def double(number: float) -> float:
        return number + number

    with on_first_compile(lambda: events.append("compile")):
        events.append("begin")
        double(1)
        double(1.0)
    assert events == ["begin", "compile"]
    with on_first_compile(lambda: events.append("compile again")):
        double(1)
        double(1.0)
    assert events == ["begin", "compile"]
