"""The slot for one item: the newest wins, nothing waits, and every item is taken or counted."""

from __future__ import annotations

import threading

from unveil.live.newest import Newest


def test_the_newest_item_replaces_one_that_waits() -> None:
    slot: Newest[int] = Newest()
    for number in range(1, 4):
        slot.put(number)
    assert slot.take() == 3
    assert slot.n_skipped == 2
    assert slot.take(0.001) is None


def test_a_taker_waits_and_each_item_is_taken_or_counted() -> None:
    slot: Newest[int] = Newest()
    taken: list[int] = []
    took_last = threading.Event()

    def take() -> None:
        while (item := slot.take()) is not None:
            taken.append(item)
            if item == 2000:
                took_last.set()

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(1, 2001):
        slot.put(number)
    assert took_last.wait(20)
    slot.close()
    taker.join()
    assert taken == sorted(taken)
    assert len(taken) + slot.n_skipped == 2000


def test_closing_ends_the_wait_and_drops_what_waits() -> None:
    slot: Newest[int] = Newest()
    ended = threading.Event()

    def take() -> None:
        assert slot.take() is None
        ended.set()

    threading.Thread(target=take).start()
    slot.close()
    assert ended.wait(10)
    slot.put(1)
    assert slot.closed
    assert slot.take() is None
