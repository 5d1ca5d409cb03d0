"""A moving background and what shows before it, against a reference of one pixel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.kernels.naive_lines import SeenPixel, learned, sample
from unveil_kernels import lines
from unveil_kernels.counting.outside import FRESH_MASK_WEIGHT
from unveil_kernels.moving import PERSON_MARGIN, MaskedFrame, RingPicture, learn_background

pytestmark = pytest.mark.kernels

Array = npt.NDArray[Any]

BLOCK_SIZE, TOLERANCE, FAR, N_SLOTS = 2, 6, 12, 3


@PROPERTY
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.integers(0, 1),
    rows=st.integers(6, 9),
    width=st.sampled_from([8, 8, 8, 38]),
    more_columns=st.integers(0, 5),
    n_frames=st.integers(1, 12),
    step=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    split=st.integers(0, 6),
)
def test_what_shows_before_a_moving_background_is_as_by_the_reference(
    seed: int,
    shift: int,
    rows: int,
    width: int,
    more_columns: int,
    n_frames: int,
    step: tuple[int, int],
    split: int,
) -> None:
    rng = np.random.default_rng(seed)
    height, columns = 6, width + more_columns
    shape = (3, rows, columns)
    picture, votes = np.zeros(shape, np.uint8), np.zeros(shape[1:], np.uint8)
    wanted_picture, wanted_votes = picture.astype(float), votes.astype(int)
    slots = np.zeros((height, width, N_SLOTS), lines.SEEN_SLOT)
    explained, total = np.zeros(slots.shape, np.uint16), np.zeros(slots.shape[:2], np.uint16)
    pixels = {at: SeenPixel(N_SLOTS, TOLERANCE) for at in np.ndindex(height, width)}
    levels = np.array([20, 24, 60, 90, 120, 140, 200], np.uint8)
    frames = [
        (
            number,
            [rng.choice(levels, (height >> s, width >> s)) for s in (0, shift, shift)],
            rng.choice(3, (height // BLOCK_SIZE, width // BLOCK_SIZE), p=(0.6, 0.2, 0.2)).astype(
                np.uint8
            ),
            int(rng.choice((1, FRESH_MASK_WEIGHT))),
            (number * step[0] % rows, number * step[1] % columns),
        )
        for number in range(n_frames)
    ]
    place = (shift, shift)
    for _, planes, person, _, at in frames:
        for band in ((split, height), (0, split)):
            learn_background(
                MaskedFrame(*planes, person, BLOCK_SIZE, *place),
                *band,
                RingPicture(picture, votes, *at),
                TOLERANCE,
            )
        for y, x in np.ndindex(height, width):
            if not person[y // BLOCK_SIZE, x // BLOCK_SIZE]:
                there = (y + at[0]) % rows, (x + at[1]) % columns
                wanted_picture[:, *there], wanted_votes[there] = learned(
                    wanted_picture[:, *there],
                    wanted_votes[there],
                    sample(planes, y, x, *place),
                    TOLERANCE,
                )
    assert np.array_equal(picture, wanted_picture)
    assert np.array_equal(votes, wanted_votes)
    for second in (False, True):
        for number, planes, person, weight, at in frames:
            frame = MaskedFrame(*planes, person, BLOCK_SIZE, *place)
            ring = RingPicture(picture, votes, *at)
            for band in ((0, split), (split, height)):
                if second:
                    lines.count_explained(frame, *band, ring, FAR, weight, slots, explained, total)
                else:
                    lines.count_seen(frame, *band, ring, TOLERANCE, FAR, weight, number, slots)
            for (y, x), pixel in pixels.items():
                there = (y + at[0]) % rows, (x + at[1]) % columns
                seen = sample(planes, y, x, *place)
                background = wanted_picture[:, *there]
                hidden = (
                    person[y // BLOCK_SIZE, x // BLOCK_SIZE] > PERSON_MARGIN
                    or not wanted_votes[there]
                )
                if hidden or abs(seen - background).max() <= FAR:
                    continue
                if second:
                    pixel.explain(background, seen, weight)
                else:
                    pixel.count(number, seen, weight)
    number, planes, person, _, at = frames[-1]
    every = np.arange(0, height, 2), np.arange(1, width)
    shown = np.ones((*(len(places) for places in every), N_SLOTS), np.bool_)
    lines.flag_shown(
        MaskedFrame(*planes, person, BLOCK_SIZE, *place),
        *every,
        RingPicture(picture, votes, *at),
        TOLERANCE,
        FAR,
        slots,
        shown,
    )
    for j, i in np.ndindex(shown.shape[:2]):
        y, x = every[0][j], every[1][i]
        there = (y + at[0]) % rows, (x + at[1]) % columns
        seen = sample(planes, y, x, *place)
        hidden = person[y // BLOCK_SIZE, x // BLOCK_SIZE] > PERSON_MARGIN
        tells = not hidden and wanted_votes[there] > 0
        tells = tells and abs(seen - wanted_picture[:, *there]).max() > FAR
        assert shown[j, i].tolist() == [
            bool(
                tells
                and s["count"]
                and max(abs(seen[c] - s[f"c{c}"]) for c in range(3)) <= TOLERANCE
            )
            for s in slots[y, x]
        ]
    for at, pixel in pixels.items():
        used = slots[at][slots[at]["count"] > 0]
        found = [tuple(slot) for slot in used.tolist()]
        assert found == [(*s["colour"], s["count"], s["last"]) for s in pixel.slots]
        assert (
            explained[at].tolist()[: len(found)] == pixel.explained[: len(found)] or not total[at]
        )
        assert total[at] == pixel.total


def test_counters_of_lines_stop_at_the_largest() -> None:
    dark, light = np.full((2, 2), 50, np.uint8), np.full((2, 2), 90, np.uint8)
    nobody = np.zeros((1, 1), np.uint8)
    picture, votes = np.full((3, 2, 2), 50, np.uint8), np.full((2, 2), 9, np.uint8)
    slots = np.zeros((2, 2, 2), lines.SEEN_SLOT)
    explained, total = np.zeros((2, 2, 2), np.uint16), np.zeros((2, 2), np.uint16)
    shown = MaskedFrame(light, light, light, nobody, 2, 0, 0)
    ring = RingPicture(picture, votes, 0, 0)
    for number in range(3):
        lines.count_seen(shown, 0, 2, ring, 6, FAR, 2, number, slots)
        slots["count"] = np.maximum(slots["count"], 65534) * (slots["count"] > 0)
    assert np.all(slots["count"][..., 0] == 65535)
    total[...] = explained[..., 0] = 65532
    for _ in range(3):
        lines.count_explained(shown, 0, 2, ring, FAR, 2, slots, explained, total)
    assert np.all(total == 65534)
    assert np.all(explained[..., 0] == 65534)
    assert not explained[..., 1].any()
    before = slots.copy()
    behind = MaskedFrame(dark, dark, dark, nobody, 2, 0, 0)
    lines.count_seen(behind, 0, 2, ring, 6, FAR, 2, 9, slots)
    assert np.array_equal(slots, before), "what shows the background is not counted"
