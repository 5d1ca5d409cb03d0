"""States of what is counted outside the person: bounds, saved, loaded, added, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.kernels.counting.outside_calls import (
    BANDS,
    Array,
    Call,
    assert_same_bytes,
    calls,
    one_pixel,
)
from unveil.counting.accumulators import TABLES
from unveil.counting.outside import OutsideTable
from unveil.counting.state_file import read_state
from unveil.counting.table import ColourTable
from unveil.errors import IncompatibleTable
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Colour, Layout

pytestmark = [pytest.mark.kernels, pytest.mark.usefixtures("blocks_of_several_pixels")]


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
