"""Whether a call shows a person, against sums over every run of searches."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from unveil.counting.presence import PersonWatch, Presence
from unveil.video.chunk import Chunk, Layout

Array = npt.NDArray[Any]

LAYOUT = Layout(200, 301)
"""Of squares of two pixels, the last ones of a row of one."""

FINDINGS = st.lists(st.sampled_from("012"), max_size=40)
"""Searches that found nobody, a person who is still, one who lives."""

MISTAKEN = "111001110111010110111110011101110101101111100111011101011011"
"""Searches in which the model selfie-landscape took something for a person, in the call
`make_call("photo", seed=1)`, which shows nobody."""

PORTRAIT = "2110222111111111222201111022111111111102222111111022111111111122220"
"""As in a call whose background shows a portrait before which a bar crosses."""


def presence(found: Iterable[str]) -> Presence:
    searches = (Presence.of_search(moving=f == "2", detected=f != "0") for f in found)
    return reduce(Presence.joined, searches, Presence())


def largest_sum(values: list[int]) -> int:
    """Add up every run."""
    return max(sum(values[first:end]) for end in range(len(values) + 1) for first in range(end + 1))


@PROPERTY
@given(found=FINDINGS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_parts_are_joined_to_the_whole(found: list[str], cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(found)]
    parts = [presence(found[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
    whole = presence(found)
    assert reduce(Presence.joined, parts) == whole
    assert reduce(lambda later, part: part.joined(later), reversed(parts)) == whole
    assert (whole.moving.searched, whole.moving.found) == (len(found), found.count("2"))
    assert whole.detected.found == len(found) - found.count("0")
    assert whole.moving.best == largest_sum([1 if f == "2" else -3 for f in found])
    assert whole.detected.best == max(map(len, "".join(found).split("0")))
    assert Presence.from_array(whole.as_array()) == whole


@PROPERTY
@given(found=FINDINGS, more=FINDINGS)
def test_a_person_who_is_certain_stays_so(found: list[str], more: list[str]) -> None:
    seen = presence(found)
    if seen.certain:
        for joined in (seen.joined(presence(more)), presence(more).joined(seen)):
            assert joined.certain
            assert joined.shows_person


@pytest.mark.parametrize(
    ("found", "shows_person", "certain"),
    [
        ("", False, False),
        ("0", False, False),
        ("2", True, False),
        ("22", True, False),
        ("2000", False, False),
        ("2" * 7, True, False),
        ("2" * 8, True, True),
        ("0" * 900 + "2" * 8, True, True),
        ("0" * 900 + "2" * 7, False, False),
        ("2" * 8 + "0" * 900, True, True),
        ("22222220" * 3, True, True),
        ("220" * 50, False, False),
        ("1" * 39, True, False),
        ("0" + "1" * 39, False, False),
        ("0" + "1" * 40, True, True),
        ("2" + "1" * 20 + "0", False, False),
        (MISTAKEN, False, False),
        (MISTAKEN.replace("1", "2"), False, False),
        (PORTRAIT * 9, False, False),
    ],
)
def test_who_is_there(found: str, shows_person: bool, certain: bool) -> None:
    seen = presence(found)
    assert (seen.shows_person, seen.certain) == (shows_person, certain)


# The person who moves


def chunk_of(luma: Array, person: Array, searched: Array | None = None) -> Chunk:
    grey = np.full_like(luma, 128)
    times = np.zeros(len(luma))
    return Chunk((luma, grey, grey), times, LAYOUT, person, searched)


def looked(*chunks: Chunk) -> PersonWatch:
    looking = PersonWatch(LAYOUT)
    for chunk in chunks:
        looking.add(chunk)
    return looking


def sitting(n_frames: int, seed: int = 0) -> tuple[Array, Array]:
    """Make frames in which a person sits still, and say where."""
    luma = np.random.default_rng(seed).integers(0, 200, (1, 200, 301), np.uint8)
    person = np.zeros((n_frames, *LAYOUT.block_grid), np.uint8)
    assert LAYOUT.block_grid == (100, 151)
    person[:, 40:100, 50:100] = 2  # 3000 squares
    return np.repeat(luma, n_frames, 0), person


def test_a_person_in_a_still_picture_does_not_live() -> None:
    luma, person = sitting(60)
    luma[::3] += 4  # as a codec's next key frame may change it
    luma[::2, :, :90] = 77  # what moves beside them does not count
    seen = looked(chunk_of(luma, person)).presence
    assert seen.moving.found == 1, "the first has none to be compared with"
    assert seen.detected.best == 60
    person[30] = 2
    seen = looked(chunk_of(luma, person)).presence
    assert seen.detected.best == 30
    assert not seen.shows_person


@pytest.mark.parametrize(("n_squares", "moves"), [(29, False), (30, True)])
def test_a_hundredth_of_the_person_must_move(n_squares: int, moves: bool) -> None:
    luma, person = sitting(20)
    y, x = np.divmod(np.arange(n_squares), 50)
    for number in range(0, 20, 2):
        luma[number, 2 * (y + 45) + 1, 2 * (x + 50) + 1] += 5
    seen = looked(chunk_of(luma, person)).presence
    assert seen.moving.found == (20 if moves else 1)
    assert seen.certain == moves


@pytest.mark.parametrize(("rows", "lives"), [(78, False), (80, True)])
def test_a_still_person_before_what_changes_lives(rows: int, lives: bool) -> None:
    """Of 12000 squares around the person, whose middles the frame has, 40 rows are half."""
    luma, person = sitting(20)
    luma[::2, :rows] += 50
    luma[:, 80:200, 100:200] = 9
    seen = looked(chunk_of(luma, person)).presence
    assert seen.moving.found == (20 if lives else 1)


def test_frames_between_two_searches_do_not_count() -> None:
    luma, person = sitting(20)
    searched = np.arange(20) % 4 == 0
    luma[~searched] = np.random.default_rng(1).integers(0, 256, luma[~searched].shape, np.uint8)
    seen = looked(chunk_of(luma, person, searched)).presence
    assert (seen.moving.searched, seen.moving.found, seen.detected.found) == (5, 1, 5)
    none = chunk_of(luma, person, np.zeros(20, np.bool_))
    assert looked(none).presence == Presence()


def test_where_the_person_is_not_is_told_too() -> None:
    """By whoever marks no square; but a frame that is all the person's shows nobody."""
    luma, person = sitting(9)
    for value, found in ((0, 9), (1, 9), (2, 0)):
        seen = looked(chunk_of(luma, np.full_like(person, value))).presence
        assert (seen.moving.searched, seen.moving.found, seen.detected.found) == (9, found, found)


@PROPERTY
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 24), min_size=1, max_size=3),
    saved=st.integers(0, 3),
)
def test_stretches_are_merged_to_the_whole(seed: int, cuts: list[int], saved: int) -> None:
    """Also where the person moved last at a seam, and where one of them was saved."""
    rng = np.random.default_rng(seed)
    luma, person = sitting(24, seed)
    for number in np.flatnonzero(rng.random(24) < 0.6):
        luma[number:] = 255 - luma[number:]
    person[rng.random(24) < 0.2] = 2
    searched = rng.random(24) < 0.7
    whole = looked(chunk_of(luma, person, searched))
    ends = [*sorted(cuts), 24]

    def parts() -> list[PersonWatch]:
        made = [
            looked(chunk_of(luma[a:b], person[a:b], searched[a:b]))
            for a, b in zip([0, *ends], ends, strict=False)
        ]
        restored = PersonWatch(LAYOUT)
        restored.restore(made[saved % len(made)].as_arrays())
        made[saved % len(made)] = restored
        return made

    from_the_left, *others = parts()
    for part in others:
        from_the_left.merge(part)
    *others, from_the_right = parts()
    for part in reversed(others):
        part.merge(from_the_right)
        from_the_right = part
    for merged in (from_the_left, from_the_right):
        assert merged.presence == whole.presence
        assert merged.certain == whole.certain
        stored = whole.as_arrays()
        for name, array in merged.as_arrays().items():
            assert np.array_equal(array, stored[name]), name


@pytest.mark.parametrize(
    "kept",
    [
        np.zeros((3, 98, 151), np.uint8),
        np.zeros((3, 100, 152), np.uint8),
        np.zeros((2, 100, 151), np.uint8),
        np.zeros((3, 100, 151), np.int16),
    ],
)
def test_pictures_of_another_form_are_refused(kept: Array) -> None:
    looking = PersonWatch(LAYOUT)
    with pytest.raises(ValueError, match="searches_kept"):
        looking.restore({"presence": Presence().as_array(), "searches_kept": kept})


def test_a_chunk_must_tell_the_person() -> None:
    luma, _ = sitting(1)
    with pytest.raises(ValueError, match="person"):
        looked(Chunk((luma, luma, luma), np.zeros(1), LAYOUT))
