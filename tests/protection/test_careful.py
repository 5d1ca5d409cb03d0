"""`careful`: no pixel shows more than without, none below the cut, none where the mask moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import unveil
from tests.swaying import write_footage
from unveil.parallel import Bands
from unveil.person import Mask
from unveil.protection import Protector
from unveil.protection.careful import DISAGREE, Agreement
from unveil.protection.compose import AlphaLut, Compositor
from unveil.protection.frames import empty_frame
from unveil.video.chunk import Layout, Planes
from unveil_kernels import matte

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

LAYOUT = Layout(96, 128, 1, 1)
SCALE = np.array([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])
"""From the frame to masks of half its size: one mask pixel per cell."""

EDGE = 0.6


def person_at(x: float, seed: int) -> tuple[F32, U8]:
    """Draw a person: the network's probability, uncertain at the edge, and the exact matte."""
    row, column = np.mgrid[0:48, 0:64] + 0.5
    distance = 13 - np.hypot(column - x, (row - 34) * 0.6)
    error = np.random.default_rng(seed).normal(0, 1.2, distance.shape)
    probability = (1 / (1 + np.exp(-(distance + error + 1)))).astype(np.float32)
    full_row, full_column = np.mgrid[0:96, 0:128] + 0.5
    inside = 26 - np.hypot(full_column - 2 * x, (full_row - 68) * 0.6) > 0
    return probability, inside.astype(np.uint8)


def opacities(
    places: list[float], *, careful: bool, smooth: int = 3, edge: float = EDGE
) -> list[U8]:
    """Return the opacity of each frame, (96, 128) uint8, while a person moves."""
    compositor = Compositor(LAYOUT, Bands(1), edge=edge, smooth=smooth, careful=careful)
    planes = tuple(plane[0] for plane in LAYOUT.empty(1))
    assert len(planes) == 3
    for plane in planes:
        plane[:] = 99
    shown = []
    for number, x in enumerate(places):
        compositor.place(person_at(x, number)[0], SCALE)
        _, target = empty_frame(LAYOUT, alpha=True)
        compositor.over(planes, planes, target, stale=False)
        shown.append(target[3][:, :128].copy())
    return shown


PLACES = {
    "still": [30.0] * 6,
    "slow": list(np.arange(20, 32, 1.5)),
    "fast": [14.0, 22.0, 30.0, 40.0, 34.0, 18.0],
}


@pytest.mark.parametrize("smooth", [0, 3, 9])
@pytest.mark.parametrize("edge", [0.05, 0.6, 0.95])
@pytest.mark.parametrize("motion", PLACES)
def test_no_pixel_shows_more_than_without(motion: str, smooth: int, edge: float) -> None:
    plain = opacities(PLACES[motion], careful=False, smooth=smooth, edge=edge)
    careful = opacities(PLACES[motion], careful=True, smooth=smooth, edge=edge)
    for one, other in zip(careful, plain, strict=True):
        assert (one <= other).all()
    if motion != "fast":
        assert all(one.any() for one in careful)  # the person is still there


@pytest.mark.parametrize("motion", PLACES)
def test_less_of_the_room_shows_and_most_of_the_person(motion: str) -> None:
    rooms, kept = {}, {}
    for careful in (False, True):
        shown = opacities(PLACES[motion], careful=careful, smooth=1)
        mattes = [person_at(x, 0)[1] for x in PLACES[motion]]
        rooms[careful] = sum(
            int(one[where == 0].sum()) for one, where in zip(shown, mattes, strict=True)
        )
        kept[careful] = (
            np.mean([one[where == 1].mean() for one, where in zip(shown, mattes, strict=True)])
            / 255
        )
    assert rooms[True] <= rooms[False] / 2
    assert kept[True] > (0.3 if motion == "fast" else 0.5)
    assert kept[False] > 0.8


def test_a_pixel_below_the_cut_never_shows() -> None:
    shown = opacities(PLACES["slow"], careful=True, smooth=0)
    for number, x in enumerate(PLACES["slow"]):
        probability, _ = person_at(x, number)
        at_pixels = Mask(probability, SCALE, 96, 128, 1.0, None).at(96, 128)
        assert not shown[number][at_pixels < EDGE - 1e-3].any()


def test_where_two_masks_disagree_the_background_wins() -> None:
    shown = opacities(PLACES["fast"], careful=True, smooth=0)
    without = opacities(PLACES["fast"], careful=False, smooth=0)
    for number in range(1, len(shown)):
        before, now = (person_at(PLACES["fast"][n], n)[0] for n in (number - 1, number))
        came = (before < 0.2) & (now > 0.2 + DISAGREE)
        at_pixels = np.repeat(np.repeat(came, 2, 0), 2, 1)
        assert at_pixels.sum() > 100
        # The outer pixels of a region are interpolated with the cells beside it.
        inner = at_pixels[1:-1, 1:-1] & at_pixels[2:, 1:-1] & at_pixels[:-2, 1:-1]
        inner &= at_pixels[1:-1, 2:] & at_pixels[1:-1, :-2]
        assert inner.any()
        assert not shown[number][1:-1, 1:-1][inner].any()
        assert without[number][1:-1, 1:-1][inner].mean() > 200


def naive_agreed(before: npt.NDArray[Any], now: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compare cell by cell."""
    agreed = now.copy()
    for place in np.ndindex(now.shape):
        if int(now[place]) - int(before[place]) >= round(DISAGREE * matte.ONE):
            agreed[place] = before[place]
    return agreed


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_levels_are_those_of_the_mask_before_where_they_rise_far(seed: int, n_masks: int) -> None:
    rng = np.random.default_rng(seed)
    agreement = Agreement(matte.ONE)
    masks = rng.integers(0, matte.ONE + 1, (n_masks, 5, 7)).astype(np.uint16)
    before = masks[0]
    for number, levels in enumerate(masks):
        assert agreement.is_first == (number == 0)
        given_levels = levels.copy()
        agreed = agreement.agreed(levels)
        assert agreed.dtype == np.uint16
        np.testing.assert_array_equal(agreed, naive_agreed(before, levels))
        np.testing.assert_array_equal(levels, given_levels)
        before = levels
    agreement.reset()
    assert agreement.is_first
    np.testing.assert_array_equal(agreement.agreed(masks[0]), masks[0])


def test_a_stale_mask_shows_less() -> None:
    compositor = Compositor(LAYOUT, Bands(1), edge=EDGE, smooth=0, careful=True)
    compositor.place(person_at(32, 0)[0], SCALE)
    planes: Planes = tuple(plane[0] for plane in LAYOUT.empty(1))
    shown = []
    for stale in (False, True):
        _, target = empty_frame(LAYOUT, alpha=True)
        compositor.over(planes, planes, target, stale=stale)
        shown.append(target[3][:, :128].astype(int))
    assert (shown[1] <= shown[0]).all()
    assert shown[1].sum() < shown[0].sum()


@pytest.mark.parametrize("edge", [0.05, 0.3, 0.6, 0.95])
def test_the_table_is_never_above_the_soft_one_and_0_up_to_the_edge(edge: float) -> None:
    soft, hard = AlphaLut(edge), AlphaLut(edge, careful=True)
    assert (hard.table <= soft.table).all()
    assert hard.alpha_zero_max >= int(edge * matte.ONE)
    assert hard.table[-1] == 255
    assert (np.diff(hard.table.astype(int)) >= 0).all()


class Sure:
    """Sees a person in the middle of every frame."""

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        """Find them."""
        probability = np.zeros((24, 32), np.float32)
        probability[6:, 8:24] = 1
        to_mask = np.array([[32 / layout.width, 0, 0], [0, 24 / layout.height, 0]])
        return Mask(probability, to_mask, layout.height, layout.width, 1.0, None)

    def reset(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("mode", ["blur", "replace", "remove"])
def test_every_mode_takes_it(mode: Any) -> None:
    background = "#102030" if mode == "replace" else None
    luma, cb, cr = LAYOUT.empty(1)
    luma[:], cb[:], cr[:] = 200, 90, 160
    changed = []
    for careful in (False, True):
        with Protector(
            mode, background=background, careful=careful, segmenter=Sure(), threads=1
        ) as protector:
            planes = protector.planes((luma[0], cb[0], cr[0]), LAYOUT)
        changed.append(int(np.abs(planes[0].astype(int) - 200).sum()))
    assert changed[0] <= changed[1]
    if mode != "blur":  # of a plain frame
        assert changed[0] < changed[1]


def test_the_command_reports_it(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    room = np.full((144, 192, 3), 120, np.uint8)
    footage = write_footage(tmp_path / "me.mp4", lambda number: room, n_frames=3)
    done = unveil(
        *("protect", footage, "-o", tmp_path / "out.mp4", "--background", "white", "--json"),
        *("--careful", "--model", "selfie-landscape"),
    )
    assert done.exit_code == 0, done.stderr
    assert '"careful": true' in done.stdout
