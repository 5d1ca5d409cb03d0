"""Who comes and goes, told from the masks of consecutive searches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person import comings
from unveil.person.comings import Comings, is_another, is_nobody, with_neighbours

Array = npt.NDArray[Any]
ROWS, COLUMNS = 45, 80
EVERY = 4


def mask_of(*columns: tuple[int, int]) -> Array:
    """Make a mask of people who are in columns, first to last."""
    person = np.zeros((ROWS, COLUMNS), np.bool_)
    for first, last in columns:
        person[15:, first : last + 1] = True
    return with_neighbours(person)


SEATED, VISITOR = (10, 25), (60, 75)
ALONE, BOTH = mask_of(SEATED), mask_of(SEATED, VISITOR)
NOBODY = np.full((ROWS, COLUMNS), 2, np.uint8)


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


def doubts(search: comings.Search) -> tuple[int, int, int]:
    """Return first and last column of what is doubted, in all rows, and in how many frames."""
    assert search.doubted is not None
    columns = np.flatnonzero(search.doubted.any(0))
    marked = search.doubted[:, columns[0] : columns[-1] + 1]
    assert (marked == marked[0, 0]).all()
    return int(columns[0]), int(columns[-1]), int(marked[0, 0])


FAR = comings.far_blocks(ROWS)
VISIT = BOTH > ALONE
FRAMES = EVERY - 1
"""Frames between two searches."""


def test_before_another_person_their_columns_are_doubted() -> None:
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    search = watch.add(BOTH, EVERY, "another", VISIT)
    n_frames = FRAMES + EVERY * comings.SEARCHES_BEFORE
    assert doubts(search) == (VISITOR[0] - 1, VISITOR[1] + 1, n_frames)
    assert np.array_equal(search.mask, BOTH)
    assert watch.watches


def test_what_leaks_beside_another_person_is_not_doubted() -> None:
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    person = mask_of(SEATED, (62, 68)) == 2
    search = watch.add(BOTH, EVERY, "another", VISIT, person)
    assert doubts(search)[:2] == (62, 68)


def test_who_is_found_again_while_frames_are_searched_doubts_nothing() -> None:
    watch = Comings(EVERY)
    watch.add(BOTH, EVERY, "another", VISIT)
    nearer = mask_of(SEATED, (50, 65))
    assert watch.add(nearer, EVERY, "another", nearer > ALONE).doubted is None


def test_another_person_of_whom_the_place_is_unknown_doubts_nothing() -> None:
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    assert watch.add(BOTH, EVERY, "another", None).doubted is None
    assert watch.watches


def test_between_the_places_of_who_has_moved_the_frames_between_are_doubted() -> None:
    watch = Comings(EVERY)
    watch.add(mask_of((30, 40)), EVERY, None, None)
    search = watch.add(mask_of((50, 60)), EVERY, "moved", None)
    assert doubts(search) == (29 - FAR, 61 + FAR, FRAMES)


def test_who_appears_where_somebody_stays_may_have_come_from_the_side() -> None:
    """They were perhaps not seen by the search before, either."""
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    search = watch.add(mask_of(SEATED, VISITOR), EVERY, "moved", None)
    assert doubts(search) == (0, COLUMNS - 1, EVERY)


def test_who_leaves_is_doubted_up_to_their_side() -> None:
    watch = Comings(EVERY)
    watch.add(mask_of(VISITOR), EVERY, None, None)
    search = watch.add(ALONE, EVERY, "left", None)
    assert doubts(search) == (VISITOR[0] - 1 - FAR, COLUMNS - 1, FRAMES)


@pytest.mark.parametrize("event", ["moved", "left"])
def test_after_nobody_nothing_is_doubted(event: comings.Event) -> None:
    watch = Comings(EVERY)
    assert watch.add(ALONE, EVERY, event, None).doubted is None
    watch.add(NOBODY, EVERY, None, None)
    assert watch.add(ALONE, EVERY, event, None).doubted is None


def test_who_vanishes_may_be_at_their_side_for_a_while() -> None:
    """Half a face at the edge of the picture is found by no network."""
    watch = Comings(EVERY)
    watch.add(ALONE, EVERY, None, None)
    watch.add(BOTH, EVERY, "another", VISIT)
    gone = watch.add(ALONE, EVERY, None, None)
    assert doubts(gone) == (VISITOR[0] - 1 - FAR, COLUMNS - 1, FRAMES)
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
