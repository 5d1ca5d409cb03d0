"""One pixel outside the person: which colour leads, what takes a slot and what makes room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kernels.counting import naive
from tests.kernels.counting.outside_calls import ONE_PIXEL, one_pixel
from unveil.counting.outside import OutsideTable
from unveil_kernels.counting.outside import OUTSIDE_SURVEY_EVERY

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("blocks_of_several_pixels")]


def levels_of(table: OutsideTable) -> list[int]:
    return [slot.colour[0] for slot in naive.read_slots(table.slots)[0]]


def test_the_first_leader_takes_no_slot() -> None:
    """Until a survey there is none, and what stands in its place was never seen."""
    table = one_pixel([10] * 20)
    assert (table.leader[0, 0, 0], table.leader_surveys[0, 0]) == (10, 3)
    assert levels_of(table) == []
    assert table.evictions[0, 0] == 0


def test_what_was_counted_before_the_first_survey_outside_becomes_the_leader() -> None:
    table = one_pixel([10] * 20, inside=[1] * 5 + [0] * 15)
    assert (table.leader[0, 0, 0], table.outside_surveys[0, 0]) == (10, 2)
    assert levels_of(table) == []


def test_only_samples_outside_the_person_are_counted() -> None:
    shown = [10] * 20 + [99] * 3 + [50] * 3 + [10] * 5
    table = one_pixel(shown, inside=[0] * 20 + [1] * 3 + [0] * 8)
    (slot,) = naive.read_slots(table.slots)[0]
    assert (slot.colour[0], slot.count, slot.episodes) == (50, 3, 1)
    assert (slot.first, slot.last) == (23, 25)


@pytest.mark.parametrize("marked", [1, 2, 254, 255])
def test_whatever_is_not_zero_marks_the_person(marked: int) -> None:
    table = one_pixel([10] * 20 + [99] * 9, inside=[0] * 20 + [marked] * 9)
    assert levels_of(table) == []


def test_the_colour_seen_once_longest_ago_makes_room() -> None:
    table = one_pixel([10] * 20 + [90, 50, 50, 60, 10, 10] + [70])
    assert sorted(levels_of(table)) == [50, 60, 70], "90 was seen once and is the oldest"
    assert table.evictions[0, 0] == 1


def test_a_sample_of_a_searched_frame_counts_twice() -> None:
    """So it need not come again, and does not make room as one seen once does."""
    table = one_pixel([10] * 20 + [90, 50, 60, 60, 10, 10, 70], searched=[20])
    assert sorted(levels_of(table)) == [60, 70, 90], "50 was seen once"
    counts = {slot.colour[0]: slot.count for slot in naive.read_slots(table.slots)[0]}
    assert counts[90] == 2


def test_what_stands_still_is_told() -> None:
    every = OUTSIDE_SURVEY_EVERY
    table = one_pixel([100] + [97, 100] * (2 * every))
    assert (table.leader_surveys[0, 0], table.leader_stills[0, 0]) == (5, 1), "frame 0"
    table = one_pixel([100] + [101, 100] * (2 * every))
    assert (table.leader_surveys[0, 0], table.leader_stills[0, 0]) == (5, 5), "a codec leaves that"


def test_else_the_colour_nearest_to_the_leader_makes_room() -> None:
    table = one_pixel([10] * 20 + [90, 90, 20, 20, 20, 60, 60] + [70])
    assert sorted(levels_of(table)) == [60, 70, 90], "20 was seen most, but is nearest"
    assert table.evictions[0, 0] == 1


def test_a_leader_that_resigns_makes_room_likewise() -> None:
    every = OUTSIDE_SURVEY_EVERY
    # Three surveys of 10; 200, 210 and 40 have a slot each, and 100 takes over.
    shown = [10] * (2 * every + 1) + [200, 200, 210, 210, 40, 40] + [100] * (5 * every)
    table = one_pixel(shown)
    assert table.leader[0, 0, 0] == 100
    assert sorted(levels_of(table)) == [10, 200, 210]
    # 100 itself had made room, and 40 was the nearest to 10.
    assert table.evictions[0, 0] == 1


def test_bits_decide_what_is_one_colour() -> None:
    table = one_pixel([16] * 20 + [20] * 3 + [90] * 3 + [93] * 3, clip=replace(ONE_PIXEL, bits=5))
    (slot,) = naive.read_slots(table.slots)[0]
    assert slot.count == 6, "20 is the leader's, 93 is 90's"
