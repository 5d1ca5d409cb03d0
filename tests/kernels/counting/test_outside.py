"""Counting outside the person, against the reference that counts one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY, Clip, ShuffledBands, chunks, clips
from tests.kernels.counting import naive
from tests.kernels.counting.naive_outside import Candidate, OutsidePixel
from unveil.counting.accumulators import TABLES
from unveil.counting.outside import OutsideTable
from unveil.counting.state_file import read_state
from unveil.counting.table import ColourTable
from unveil.errors import IncompatibleTable
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Colour, Layout
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT, OUTSIDE_SURVEY_EVERY

pytestmark = pytest.mark.kernels

Array = npt.NDArray[Any]

BANDS: Any = ShuffledBands(0)

LEADING = Candidate((10, 10, 10), 9)


@pytest.fixture(autouse=True, scope="module")
def blocks_of_several_pixels() -> Iterator[None]:
    """Give pictures of a few rows blocks of up to three pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unveil.video.chunk.BLOCKS_PER_HEIGHT", 3)
        yield


@dataclass(frozen=True)
class Call:
    """A clip and who is where in it."""

    clip: Clip
    covered: float

    @property
    def person(self) -> Array:
        """Masks of the person, which change slowly."""
        rng = np.random.default_rng((self.clip.seed, 1))
        masks = np.empty((self.clip.n_frames, *self.clip.layout.block_grid), np.uint8)
        shown = rng.random(masks.shape[1:]) < self.covered
        for frame in masks:
            change = rng.random(shown.shape) < 0.2
            shown = np.where(change, rng.random(shown.shape) < self.covered, shown)
            frame[...] = shown
        return masks

    @property
    def searched(self) -> Array:
        """Frames in which the person was searched."""
        return np.random.default_rng((self.clip.seed, 2)).random(self.clip.n_frames) < 0.4

    @property
    def table(self) -> OutsideTable:
        """An empty table for it."""
        clip = self.clip
        return OutsideTable(clip.layout, slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)

    def chunks(self, seed: int | None = None) -> Iterator[Chunk]:
        """Cut it into chunks of random lengths, or into one."""
        start, person, searched = 0, self.person, self.searched
        for chunk in chunks(self.clip.planes, self.clip.layout, seed):
            part = slice(start, start + len(chunk))
            yield replace(chunk, person=person[part], mask_is_fresh=searched[part])
            start += len(chunk)

    def counted(self, seed: int | None = None) -> OutsideTable:
        """Count it: in random chunks and bands where there is a seed."""
        table = self.table
        bands: Any = ShuffledBands(seed or 0, 1 if seed is not None else 1 << 30)
        for chunk in self.chunks(seed):
            table.update(chunk, bands)
        return table

    def pixels(self) -> dict[naive.Place, OutsidePixel]:
        """Make references that have seen nothing yet."""
        layout = self.clip.layout
        return {
            (y, x): OutsidePixel(self.clip.slots, self.clip.comparison)
            for y in range(layout.height)
            for x in range(layout.width)
        }

    def seen(self) -> dict[naive.Place, OutsidePixel]:
        """Make references that have seen it."""
        pixels = self.pixels()
        see(pixels, self, range(self.clip.n_frames))
        return pixels


def see(pixels: dict[naive.Place, OutsidePixel], call: Call, numbers: range | list[int]) -> None:
    """Show a call to references, its frames by these numbers."""
    layout, planes, person = call.clip.layout, call.clip.planes, call.person
    for (y, x), pixel in pixels.items():
        shifts = layout.chroma_shift_y, layout.chroma_shift_x
        colours = naive.samples_of(planes, *shifts, (y, x))
        inside = person[:, y // layout.block_size, x // layout.block_size]
        for number, colour, covered, searched in zip(
            numbers, colours, inside, call.searched, strict=True
        ):
            pixel.see(number, colour, inside=bool(covered), searched=bool(searched))


covered_shares = st.sampled_from([0.0, 0.3, 0.7, 1.0])
calls = st.builds(Call, clips(), covered_shares)
short_calls = st.builds(Call, clips(max_frames=30), covered_shares)


def colours_of(planes: Array) -> list[tuple[int, ...]]:
    return [tuple(colour) for colour in planes.reshape(3, -1).T.tolist()]


def assert_equal(table: OutsideTable, pixels: dict[naive.Place, OutsidePixel]) -> None:
    wanted = list(pixels.values())
    assert colours_of(table.leader) == [p.leader.colour for p in wanted]
    assert table.leader_surveys.ravel().tolist() == [p.leader.votes for p in wanted]
    assert table.leader_stills.ravel().tolist() == [p.leader_stills for p in wanted]
    assert table.challenger_votes.ravel().tolist() == [p.challenger.votes for p in wanted]
    challengers = zip(colours_of(table.challenger), wanted, strict=True)
    assert all(c == p.challenger.colour for c, p in challengers if p.challenger.votes)
    assert table.outside_surveys.ravel().tolist() == [p.outside_surveys for p in wanted]
    assert naive.read_slots(table.slots) == [p.slots.used for p in wanted]
    assert table.evictions.ravel().tolist() == [p.slots.evictions for p in wanted]


def assert_same_bytes(a: ColourTable, b: ColourTable) -> None:
    for name, array in a.arrays.items():
        assert array.tobytes() == b.arrays[name].tobytes(), name


@PROPERTY
@given(call=calls, seed=st.integers(0, 999))
def test_counts_equal_the_reference(call: Call, seed: int) -> None:
    assert_equal(call.counted(seed), call.seen())


@PROPERTY
@given(call=calls, seed=st.integers(0, 999))
def test_chunks_and_bands_change_nothing(call: Call, seed: int) -> None:
    assert_same_bytes(call.counted(), call.counted(seed))


@pytest.mark.parametrize("slots", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_lists_that_fill_up_change_nothing(slots: int, seed: int) -> None:
    """All samples of a row of over 64 pixels are listed, and the leader drifts meanwhile."""
    call = Call(Clip(Layout(2, 70), 40, slots, 8, 6, 9, 0.5, seed), covered=0.1)
    assert_same_bytes(call.counted(), call.counted(seed))
    assert_equal(call.counted(), call.seen())


@PROPERTY
@given(call=calls, by=st.sampled_from([2**31 - 16, 2**31 + 16, 2**32 - 128]))
def test_frame_numbers_beyond_31_bits(call: Call, by: int) -> None:
    """As if nothing had been shown all that time."""
    table, pixels = call.table, call.pixels()
    first, *rest = call.chunks(call.clip.seed)
    table.update(first, BANDS)
    table.n_frames += by
    for chunk in rest:
        table.update(chunk, BANDS)
    see(pixels, call, [i if i < len(first) else i + by for i in range(call.clip.n_frames)])
    assert_equal(table, pixels)


@PROPERTY
@given(call=short_calls, later=short_calls, seed=st.integers(0, 999))
def test_merging_equals_the_reference(call: Call, later: Call, seed: int) -> None:
    """Two stretches of unrelated colours, with evictions, then more frames."""
    own = call.clip
    later = replace(
        later,
        clip=replace(
            later.clip,
            layout=own.layout,
            slots=own.slots,
            bits=own.bits,
            tolerance=own.tolerance,
        ),
    )
    bands: Any = ShuffledBands(seed)
    table, pixels = call.counted(), call.seen()
    table.merge(later.counted(), bands)
    for pixel, its in zip(pixels.values(), later.seen().values(), strict=True):
        pixel.merge(its, own.n_frames, later.clip.n_frames)
    assert table.n_frames == own.n_frames + later.clip.n_frames
    assert_equal(table, pixels)
    numbers = range(table.n_frames, table.n_frames + own.n_frames)
    for chunk in call.chunks(seed):
        table.update(chunk, bands)
    see(pixels, call, numbers)
    assert_equal(table, pixels)


@PROPERTY
@given(call=calls)
def test_an_empty_table_changes_nothing(call: Call) -> None:
    table, empty = call.counted(), call.table
    table.merge(call.table, BANDS)
    assert_same_bytes(table, call.counted())
    empty.merge(table, BANDS)
    assert_same_bytes(empty, table)
    assert empty.n_surveys == table.n_surveys


@PROPERTY
@given(call=calls)
def test_what_is_counted_adds_up(call: Call) -> None:
    """No sample inside the person is counted, and none twice, where nothing was evicted."""
    table = call.counted()
    size = call.clip.layout.block_size
    outside = (call.person == 0).sum(0).repeat(size, 0).repeat(size, 1)
    outside = outside[: call.clip.layout.height, : call.clip.layout.width]
    surveyed = (call.person[::OUTSIDE_SURVEY_EVERY] == 0).sum(0).repeat(size, 0).repeat(size, 1)
    surveyed = surveyed[: call.clip.layout.height, : call.clip.layout.width]
    assert np.array_equal(table.outside_surveys, surveyed)
    # A leader that resigned is counted with its surveys, which were not counted before.
    counted = table.slots["count"].sum(-1, dtype=np.int64)
    assert (counted <= FRESH_MASK_WEIGHT * outside).all()
    assert (table.leader_stills <= table.leader_surveys).all()
    assert (table.leader_surveys <= table.outside_surveys).all()
    assert table.n_surveys == -(-call.clip.n_frames // OUTSIDE_SURVEY_EVERY)


ONE_PIXEL = Clip(Layout(1, 1), 1, slots=4, bits=8, tolerance=0, n_colours=1, stay=0.5, seed=0)


def one_pixel(
    levels: list[int],
    inside: list[int] | None = None,
    clip: Clip = ONE_PIXEL,
    seed: int = 3,
    searched: list[int] | None = None,
) -> OutsideTable:
    """Count a pixel of one row and column, whose three channels are equal."""
    frames = np.isin(np.arange(len(levels)), searched or [])
    table = Call(clip, 0.0).table
    planes: Any = tuple(np.array(levels, np.uint8).reshape(-1, 1, 1) for _ in range(3))
    person = np.array(inside or [0] * len(levels), np.uint8).reshape(-1, 1, 1)
    for chunk in chunks(planes, clip.layout, seed):
        start = table.n_frames
        part = slice(start, start + len(chunk))
        table.update(replace(chunk, person=person[part], mask_is_fresh=frames[part]), BANDS)
    return table


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


@pytest.mark.parametrize("nearly", [32766, 65520, 1 << 20, (1 << 21) - 512])
def test_large_counts_go_on_as_the_reference(nearly: int) -> None:
    call = Call(replace(ONE_PIXEL, n_frames=64, n_colours=9), 0.0)
    table, pixels = call.counted(), call.seen()
    pixel = pixels[0, 0]
    used = table.slots["count"] > 0
    table.slots["episodes"][used] = table.slots["count"][used] = naive.coded(nearly)
    for slot in pixel.slots.used:
        slot.episodes = slot.count = nearly
    table.evictions[...] = pixel.slots.evictions = naive.U16_MAX - 2
    for seed in range(3):
        more = replace(call, clip=replace(call.clip, seed=seed))
        see(pixels, more, range(table.n_frames, table.n_frames + 64))
        for chunk in more.chunks(seed):
            table.update(chunk, BANDS)
    assert_equal(table, pixels)
    other = call.counted()
    pixel.merge(call.seen()[0, 0], table.n_frames, 64)
    table.merge(other, BANDS)
    assert_equal(table, pixels)


@PROPERTY
@given(call=calls, surveys=st.integers(65530, 65535), seed=st.integers(0, 99))
def test_surveys_are_halved_as_the_reference(call: Call, surveys: int, seed: int) -> None:
    """In whatever chunk and band; and when two such states are merged."""
    rng = np.random.default_rng(seed)
    table, pixels = call.table, call.pixels()
    table.n_frames = OUTSIDE_SURVEY_EVERY * surveys
    table.surveyed[:] = surveys + 9, surveys
    for (y, x), pixel in pixels.items():
        votes, leader = sorted(rng.integers(1, surveys // 2, 2).tolist())
        pixel.surveys, pixel.outside_surveys = surveys, leader + votes
        pixel.leader, pixel.challenger = replace(LEADING, votes=leader), Candidate((9,) * 3, votes)
        pixel.leader_stills = leader // 3
        pixel.before = (0, 0, 0)
        table.leader[:, y, x], table.challenger[:, y, x] = 10, 9
        table.leader_surveys[y, x], table.challenger_votes[y, x] = leader, votes
        table.outside_surveys[y, x], table.leader_stills[y, x] = leader + votes, leader // 3
    other, its_pixels = deepcopy(table), deepcopy(pixels)
    bands: Any = ShuffledBands(seed)
    for state, seen, chunk_seed in ((table, pixels, seed), (other, its_pixels, None)):
        see(seen, call, range(state.n_frames, state.n_frames + call.clip.n_frames))
        for chunk in call.chunks(chunk_seed):
            state.update(chunk, bands)
        assert_equal(state, seen)
        assert state.n_surveys == seen[0, 0].surveys
        assert (state.outside_surveys <= state.n_surveys).all()
    assert_same_bytes(table, other)
    for place, pixel in pixels.items():
        pixel.merge(its_pixels[place], table.n_frames, other.n_frames)
    table.merge(other, bands)
    assert_equal(table, pixels)
    assert table.n_surveys == pixels[0, 0].surveys <= naive.U16_MAX


def test_halving_needs_no_pixel_outside() -> None:
    """Frames that show nobody are not counted, but the surveys in them are."""
    call = Call(replace(ONE_PIXEL, n_frames=40), 1.0)
    table, pixels = call.table, call.pixels()
    table.n_frames, table.surveyed[:] = 8 * 65533, 65533
    table.leader_surveys[...] = table.outside_surveys[...] = 101
    pixel = pixels[0, 0]
    pixel.surveys, pixel.outside_surveys, pixel.leader = 65533, 101, Candidate(votes=101)
    see(pixels, call, range(table.n_frames, table.n_frames + 40))
    for chunk in call.chunks(5):
        table.update(chunk, BANDS)
    assert (table.outside_surveys[0, 0], table.n_surveys, table.all_surveys) == (50, 32770, 65538)
    assert_equal(table, pixels)


def test_a_chunk_must_tell_the_person() -> None:
    layout = Layout(2, 2)
    table = OutsideTable(layout, slots=8, bits=8, tolerance=6)
    with pytest.raises(ValueError, match="no person mask"):
        table.update(Chunk(layout.empty(1), np.zeros(1), layout), BANDS)


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (np.zeros((1, 3, 3), np.uint8), "shape"),
        (np.zeros((2, 3, 4), np.uint8), "shape"),
        (np.zeros((1, 3, 4), np.bool_), "type"),
        (np.zeros((1, 3, 4), np.int64), "type"),
    ],
)
def test_a_person_of_another_form(person: Array, said: str) -> None:
    layout = Layout(9, 12)
    assert layout.block_grid == (3, 4)
    with pytest.raises(ValueError, match=said):
        Chunk(layout.empty(1), np.zeros(1), layout, person)


@pytest.mark.parametrize(
    "layout", [Layout(720, 1280, 1, 1), Layout(48, 64), Layout(1, 1, 0, 0, Colour("rgb"))], ids=str
)
def test_the_state_is_at_most_128_bytes_a_pixel(layout: Layout) -> None:
    table = OutsideTable(layout, slots=Parameters().slots_of("farend"), bits=8, tolerance=6)
    assert table.bytes_per_pixel <= 128
    assert table.slots.ctypes.data % 64 == 0


@PROPERTY
@given(call=calls, cut=st.integers(1, 60))
def test_a_loaded_state_goes_on_exactly(
    tmp_path_factory: pytest.TempPathFactory, call: Call, cut: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "call.npz"
    clip = call.clip
    parameters = Parameters(slots=clip.slots, bits=clip.bits, tolerance=clip.tolerance)
    table = call.table
    table.searches += (7, 2, 3, 1)
    loaded: ColourTable | None = None
    for number, chunk in enumerate(call.chunks(cut)):
        if number == cut % 4:
            table.save(path, parameters.as_dict())
            loaded, _ = read_state(path, TABLES)
        table.update(chunk, BANDS)
        if loaded is not None:
            loaded.update(chunk, BANDS)
    if loaded is not None:
        assert_same_bytes(loaded, table)
        assert isinstance(loaded, OutsideTable)
        assert loaded.searches.tolist() == [7, 2, 3, 1]


def test_what_differs_cannot_be_merged() -> None:
    table = OutsideTable(Layout(4, 4), slots=8, bits=8, tolerance=6)
    for other in (
        OutsideTable(Layout(4, 5), slots=8, bits=8, tolerance=6),
        OutsideTable(Layout(4, 4), slots=7, bits=8, tolerance=6),
    ):
        with pytest.raises(IncompatibleTable, match="cannot be merged"):
            table.merge(other, BANDS)


def test_searches_are_added_up() -> None:
    a, b = one_pixel([10] * 9), one_pixel([10] * 9)
    a.searches += (5, 1, 2, 1)
    b.searches += (4, 4, 1, 0)
    a.merge(b, BANDS)
    assert a.searches.tolist() == [9, 5, 3, 1]


def test_an_empty_state_can_be_saved(tmp_path: Path) -> None:
    """A state that nothing was counted into can be saved, too."""
    table = OutsideTable(Layout(2, 3), slots=3, bits=8, tolerance=6)
    table.save(tmp_path / "state.npz", Parameters(slots=3).as_dict())
    loaded, told = read_state(tmp_path / "state.npz", TABLES)
    assert_same_bytes(loaded, table)
    assert told["person"] == "auto"
