"""Several workers at a time: who is told, what is left after Ctrl-C, and what an error ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from unveil.interruption import never
from unveil.recovery.jobs.pool import JobPool


class NoProcess:
    """Stands for a worker; the jobs of these tests need no process."""

    n_open = 0

    def __enter__(self) -> NoProcess:
        """Count it."""
        type(self).n_open += 1
        return self

    def __exit__(self, *error: object) -> None:
        """Count it no more."""
        type(self).n_open -= 1


def pool_of(n_workers: int, stop: Callable[[], bool] = never) -> JobPool:
    new_worker: Any = NoProcess
    return JobPool(n_workers, new_worker, stop)


def until_asked(stop: Callable[[], bool]) -> None:
    while not stop():
        time.sleep(0.01)


def test_jobs_run_at_the_same_time_and_the_caller_hears_of_each() -> None:
    both = threading.Barrier(2)
    told: list[tuple[int, int]] = []

    def work(worker: Any, number: int, tell: Any, stop: Any) -> None:
        both.wait(60)  # one worker alone would break it
        tell(lambda: told.append((number, threading.get_ident())))

    with pool_of(2) as pool:
        pool.run([4, 2, 7, 1], work)
    assert sorted(number for number, _ in told) == [1, 2, 4, 7]
    assert {thread for _, thread in told} == {threading.get_ident()}
    assert NoProcess.n_open == 0


def test_one_worker_keeps_the_order() -> None:
    told: list[int] = []
    with pool_of(1) as pool:
        pool.run([3, 1, 2], lambda worker, number, tell, stop: tell(lambda: told.append(number)))
    assert told == [3, 1, 2]


def test_ctrl_c_ends_jobs_in_work_and_begins_no_other() -> None:
    told: list[str] = []

    def press() -> None:
        raise KeyboardInterrupt

    def work(worker: Any, number: int, tell: Any, stop: Any) -> None:
        if number == 0:
            tell(press)
        until_asked(stop)
        tell(lambda: told.append(f"{number} ended"))

    with pool_of(2) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.run(range(9), work)
        pool.finish()
    assert sorted(told) == ["0 ended", "1 ended"]
    assert NoProcess.n_open == 0


def test_a_request_to_stop_begins_no_job() -> None:
    told: list[int] = []

    def work(worker: Any, number: int, tell: Any, stop: Any) -> None:
        tell(lambda: told.append(number))

    with pool_of(2, stop=lambda: True) as pool:
        pool.run([0, 1, 2], work)
    assert told == []


def test_an_error_reaches_the_caller_and_ends_the_others() -> None:
    def work(worker: Any, number: int, tell: Any, stop: Any) -> None:
        if number == 0:
            raise ZeroDivisionError("oh no")
        until_asked(stop)

    with pytest.raises(ZeroDivisionError, match="oh no"), pool_of(2) as pool:
        pool.run([1, 0], work)
    assert NoProcess.n_open == 0
