"""Whether somebody is beside the person who is followed, by the networks and by what they mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import DATA
from unveil.person import Mask, Segmenter
from unveil.person.beside import SearchBeside
from unveil.simulation import scenes
from unveil.video.chunk import Colour, Layout, Planes

HEIGHT, WIDTH = 180, 320
LAYOUT = Layout(HEIGHT, WIDTH, colour=Colour("rgb", full_range=True))
GRID = 45, 80


def people_at(*columns: int) -> Planes:
    """Draw astronauts before a photo, each at a column."""
    with Image.open(DATA / "astronaut.png") as image:
        person = image.resize((130, 130))
    room = Image.fromarray(scenes.photo_room(HEIGHT, WIDTH))
    for column in columns:
        room.paste(person, (column, HEIGHT - person.height), person)
    red, green, blue = np.moveaxis(np.asarray(room), -1, 0)
    green, blue, red = (np.ascontiguousarray(plane) for plane in (green, blue, red))
    return green, blue, red


def marked_at(*columns: int) -> npt.NDArray[np.float32]:
    """Mark what a perfect selfie model would, about."""
    marked = np.zeros(GRID, np.float32)
    for column in columns:
        marked[15:, column // 4 + 8 : column // 4 + 26] = 1
    return marked


def first_person(planes: Planes) -> tuple[Segmenter, Mask]:
    pytest.importorskip("ai_edge_litert")
    segmenter = Segmenter("lite", threads=1)
    return segmenter, segmenter.mask_planes(planes, LAYOUT)


def test_a_second_person_is_found_whomever_the_model_follows() -> None:
    planes = people_at(10, 170)
    segmenter, first = first_person(planes)
    search = SearchBeside(segmenter)
    assert search.finds_somebody(planes, LAYOUT, first, marked_at(10, 170))
    # It goes on following the first one.
    after = segmenter.mask_planes(planes, LAYOUT)
    common = (first.at(*GRID) >= 0.5) & (after.at(*GRID) >= 0.5)
    assert common.sum() > 0.8 * (first.at(*GRID) >= 0.5).sum()


@pytest.mark.parametrize("column", [10, 170])
def test_what_leaks_beside_a_person_is_nobody(column: int) -> None:
    planes = people_at(column)
    segmenter, first = first_person(planes)
    marked = marked_at(10, 170)
    assert not SearchBeside(segmenter).finds_somebody(planes, LAYOUT, first, marked)


def test_nothing_is_searched_where_little_is_marked() -> None:
    class Refusing:
        def detect(self, *arguments: Any) -> None:
            raise AssertionError("searched")

    nowhere = np.zeros((16, 16), np.float32)
    to_mask = np.array([[16 / WIDTH, 0, 0], [0, 16 / HEIGHT, 0]])
    first = Mask(nowhere, to_mask, HEIGHT, WIDTH, 1.0, landmarks=None)
    marked = np.zeros(GRID, np.float32)
    marked[:11, :12] = 1  # 3.7 % of the frame
    segmenter: Any = Refusing()
    search = SearchBeside(segmenter)
    assert not search.finds_somebody(people_at(), LAYOUT, first, marked)


@pytest.mark.parametrize(("column", "is_there"), [(170, True), (10, False)])
def test_a_newcomer_is_confirmed_where_there_is_one(column: int, is_there: bool) -> None:
    """A leak that is marked beside the person is none."""
    segmenter, first = first_person(people_at(10))
    planes = people_at(10, column)
    piece = marked_at(170) > 0
    before = first.at(*GRID) >= 0.5
    search = SearchBeside(segmenter)
    assert search.confirms(planes, LAYOUT, first, piece, before) == is_there
    assert (search.piece is not None) == (search.found is not None) == is_there
    if search.found is not None:
        assert search.found[piece].mean() >= 0.5
