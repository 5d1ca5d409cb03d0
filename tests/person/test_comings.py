"""Who comes and goes, told from the masks of consecutive searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person import comings
from unveil.person.comings import Comings, dilated, grown, is_another, is_nobody

Array = npt.NDArray[Any]
ROWS, COLUMNS = 45, 80
EVERY = 4


def mask_of(*columns: tuple[int, int]) -> Array:
    """Make a mask of people who are in columns, first to last."""
    person = np.zeros((ROWS, COLUMNS), np.bool_)
    for first, last in columns:
        person[15:, first : last + 1] = True
    return dilated(person)


SEATED, VISITOR = (10, 25), (60, 75)
ALONE, BOTH = mask_of(SEATED), mask_of(SEATED, VISITOR)
NOBODY = np.full((ROWS, COLUMNS), 2, np.uint8)


@pytest.mark.parametrize("blocks", [1, 2, 5, 7])
def test_growing_reaches_so_many_blocks_in_all_directions(blocks: int) -> None:
    marked = np.zeros((20, 24), np.bool_)
    marked[9, 11] = True
    y, x = np.nonzero(grown(marked, blocks))
    assert (y.min(), y.max()) == (9 - blocks, 9 + blocks)
    assert (x.min(), x.max()) == (11 - blocks, 11 + blocks)
    assert len(y) == (2 * blocks + 1) ** 2


def test_who_stays_or_sways_is_no_candidate() -> None:
    watch = Comings(EVERY)
    for shift in (0, 1, 3, 4, 2):
        assert watch.candidate(mask_of((10 + shift, 25 + shift))) is None
        assert watch.add(ALONE, EVERY, None, None).doubted is None
    assert not watch.watches


def test_who_appears_far_from_the_others_is_a_candidate_for_a_few_searches() -> None:
    watch = Comings(EVERY)
    assert watch.candidate(ALONE) is None
    for _ in range(comings.MAX_TRIED):
        found = watch.candidate(BOTH)
        assert found is not None
        piece, before = found
        assert np.array_equal(before, ALONE > 0)
        assert piece[20, 65]
        assert not piece[:, : COLUMNS // 2].any()
    assert watch.candidate(BOTH) is None
    assert watch.candidate(BOTH) is None


def test_nobody_is_no_candidate() -> None:
    watch = Comings(EVERY)
    assert is_nobody(NOBODY)
    assert not is_nobody(ALONE)
    for mask in (NOBODY, ALONE, NOBODY, BOTH):
        assert watch.candidate(mask) is None


def test_before_another_person_all_is_doubted_for_a_second() -> None:
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    search = watch.add(BOTH, EVERY, "another", BOTH > ALONE)
    assert search.doubted is not None
    assert np.unique(search.doubted).tolist() == [EVERY * (1 + comings.SEARCHES_BEFORE)]
    assert np.array_equal(search.mask, BOTH)
    assert watch.watches


def test_who_follows_somebody_else_doubts_what_came_since_it_looked() -> None:
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    search = watch.add(mask_of(VISITOR), 3 * EVERY, "moved", None)
    assert search.doubted is not None
    assert np.unique(search.doubted).tolist() == [3 * EVERY]


def test_who_vanishes_may_be_at_their_side_for_a_while() -> None:
    """Half a face at the edge of the picture is found by no network."""
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    watch.add(BOTH, EVERY, "another", BOTH > ALONE)
    gone = watch.add(ALONE, EVERY, None, None)
    assert gone.doubted is not None
    assert gone.doubted.all()
    middle = sum(VISITOR) // 2
    for search in [gone, *(watch.add(ALONE, EVERY, None, None) for _ in range(comings.N_EXIT - 1))]:
        assert (search.mask[:, middle + 2 :] == 1).all()
        assert np.array_equal(search.mask[:, : middle - 1], ALONE[:, : middle - 1])
    assert np.array_equal(watch.add(ALONE, EVERY, None, None).mask, ALONE)
    assert not watch.watches


def test_a_pose_network_may_follow_somebody_else() -> None:
    first, second = (mask_of(place).clip(0, 1).astype(np.float32) for place in (SEATED, VISITOR))
    assert is_another(first, second)
    assert not is_another(first, first)
    assert not is_another(first, np.roll(first, 5, axis=1))
