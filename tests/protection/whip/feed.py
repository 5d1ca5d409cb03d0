"""Frames that are pushed in real time, and waiting for what comes of them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count

import av
import pytest

from unveil.protection.whip import connection, newest
from unveil.protection.whip.publisher import Publisher, State

RATE = 25


@contextmanager
def feeding(publisher: Publisher, frame: Callable[[int], av.VideoFrame]) -> Iterator[None]:
    """Push frames, made from their numbers, until the block ends."""
    stop = threading.Event()

    def feed() -> None:
        for number in count():
            made = frame(number)
            made.pts, made.time_base = number, Fraction(1, RATE)
            publisher.push(made)
            if stop.wait(1 / RATE):
                return

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def trust_own_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let frames keep their own times, and none be repeated, however slow this machine is."""
    monkeypatch.setattr(connection, "REPEAT_SECONDS", math.inf)
    monkeypatch.setattr(newest, "MAX_DRIFT_SECONDS", math.inf)


def eventually(happened: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(publisher: Publisher, state: State) -> None:
    """Wait until a publisher is in a state."""
    eventually(lambda: publisher.status.state in (state, "failed"))
    assert publisher.status.state == state, publisher.status
