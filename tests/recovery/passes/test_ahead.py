"""Work on the next chunk beside the work on the last one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from unveil.recovery.passes.ahead import network_threads, prepared
from unveil.video.chunk import Chunk, Layout

SMALL = Layout(4, 4)


def chunks(n: int) -> Iterator[Chunk]:
    for number in range(n):
        planes = SMALL.empty(1)
        planes[0][...] = number
        yield Chunk(planes, np.zeros(1), SMALL)


def number_of(chunk: Chunk) -> int:
    return int(chunk.planes[0][0, 0, 0])


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_each_chunk_comes_with_what_was_prepared_of_it(ahead: bool, n: int) -> None:
    order: list[int] = []

    def prepare(chunk: Chunk) -> int:
        order.append(number_of(chunk))
        return -number_of(chunk)

    found = [(number_of(chunk), done) for chunk, done in prepared(chunks(n), prepare, ahead=ahead)]
    assert found == [(k, -k) for k in range(n)]
    assert order == list(range(n))


def test_the_next_chunk_is_prepared_while_the_last_one_is_in_use() -> None:
    begun = [threading.Event() for _ in range(3)]

    def prepare(chunk: Chunk) -> None:
        begun[number_of(chunk)].set()

    for chunk, _ in prepared(chunks(3), prepare, ahead=True):
        following = number_of(chunk) + 1
        assert following == 3 or begun[following].wait(60)


@pytest.mark.parametrize("ahead", [False, True])
def test_an_error_comes_after_the_chunks_before(ahead: bool) -> None:
    def prepare(chunk: Chunk) -> None:
        if number_of(chunk) == 2:
            raise ValueError("no")

    both = prepared(chunks(5), prepare, ahead=ahead)
    assert [number_of(next(both)[0]) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="no"):
        next(both)


def test_nothing_is_prepared_after_the_end() -> None:
    go_on, at_work = threading.Event(), threading.Event()
    ended: list[int] = []

    def prepare(chunk: Chunk) -> None:
        if number_of(chunk) == 1:
            at_work.set()
            go_on.wait()
        ended.append(number_of(chunk))

    with closing(prepared(chunks(9), prepare, ahead=True)) as both:
        next(both)
        at_work.wait()
        go_on.set()
    assert ended == [0, 1]


@pytest.mark.parametrize(
    ("n_threads", "ahead", "expected"), [(1, False, 1), (2, False, 2), (2, True, 1), (5, True, 2)]
)
def test_a_network_shares_the_cores(n_threads: int, ahead: bool, expected: int) -> None:
    assert network_threads(n_threads, ahead=ahead) == expected
