"""Which of a pixel's colours is the room, against a reference that looks at one pixel at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernels import naive_select
from tests.recovery.decide import naive_finalise
from unveil.counting.outside import OutsideTable
from unveil.parallel import Bands
from unveil.recovery.decide import choice
from unveil.recovery.decide.claims import NEIGHBOUR_DISTANCE, Claims
from unveil.recovery.engine import RGB, Engine
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Chunk, Layout
from unveil.video.colour import to_lab
from unveil_kernels.counting.outside import OUTSIDE_SURVEY_EVERY

Array = npt.NDArray[Any]

HEIGHT, WIDTH, FRAMES = 14, 18, 72
BACKGROUND = (60.0, 80.0, 140.0)


def counted(frames: Array, **options: Any) -> Engine:
    """Count frames, (n, h, w, 3) RGB, in which nobody is."""
    layout = Layout(*frames.shape[1:3], 0, 0, RGB)
    green, blue, red = (np.ascontiguousarray(frames[..., c]) for c in (1, 2, 0))
    engine = Engine(*frames.shape[1:3], method="farend", **options)
    person = np.zeros((len(frames), *layout.block_grid), np.uint8)
    engine.update(Chunk((green, blue, red), np.zeros(len(frames)), layout, person))
    return engine


def blends(seed: int) -> Array:
    """Make a still background, in some of whose frames blends with a room show, and noise."""
    rng = np.random.default_rng(seed)
    background = np.array(BACKGROUND)
    room = np.where(np.arange(WIDTH)[:, None] < WIDTH // 2, (200, 150, 60), (60, 190, 150))
    frames = np.broadcast_to(background, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    for number in range(0, FRAMES, 6):
        share = rng.choice([0.3, 0.5, 0.7, 1.0], (HEIGHT, WIDTH, 1))
        shown = background + share * (room - background)
        other = rng.integers(0, 256, shown.shape)
        shown = np.where(rng.random((HEIGHT, WIDTH, 1)) < 0.15, other, shown)
        kept = rng.random((HEIGHT, WIDTH)) < 0.7
        frames[number : number + 2, kept] = shown[kept]
    return frames


def triple(colour: Iterable[Any]) -> naive_finalise.Triple:
    first, second, third = map(float, colour)
    return first, second, third


def expected(table: OutsideTable, parameters: Parameters, steady: Array) -> tuple[Array, int]:
    """Return the room's colours by the rule, (h, w, 3), and how many are not the farthest ones."""
    origin = np.array(naive_finalise.to_lab(BACKGROUND))
    candidates: dict[tuple[int, int], list[Any]] = {}
    for y, x in np.ndindex(HEIGHT, WIDTH):
        slots = [s for s in table.slots[y, x] if s["count"] > parameters.noise_frames]
        levels = [(s["c0"], s["c1"], s["c2"]) for s in slots]
        frames = table.leader_surveys[y, x] * OUTSIDE_SURVEY_EVERY
        if not steady[y, x] and frames > parameters.noise_frames:
            levels.append(tuple(table.leader[:, y, x]))
        seen = [naive_finalise.to_rgb(triple(colour), RGB) for colour in levels]
        far = [c for c in seen if naive_finalise.is_beyond(c, BACKGROUND, parameters)]
        if far:
            candidates[y, x] = [np.array(naive_finalise.to_lab(c)) for c in far]
    farthest, claimed = np.zeros((HEIGHT, WIDTH, 3)), np.zeros((HEIGHT, WIDTH), bool)
    distances = {}
    for p, labs in candidates.items():
        distances[p] = [naive_finalise.ciede2000(triple(lab), triple(origin)) for lab in labs]
        claimed[p], farthest[p] = True, labs[int(np.argmax(distances[p]))]
    constants = (NEIGHBOUR_DISTANCE, choice.BLEND_DISTANCE, choice.BASE_WEIGHT, choice.BLEND_WEIGHT)
    lab, moved = np.zeros_like(farthest), 0
    for p, labs in candidates.items():
        weights = naive_select.weigh_candidates(
            [(p, labs)], [origin], farthest, claimed, 1, *constants
        )
        best = int(np.argmax(np.multiply(weights, distances[p])))
        moved += best != int(np.argmax(distances[p]))
        lab[p] = labs[best]
    return lab, moved


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("options", [{}, {"metric": "cosine", "threshold": 0.98}])
def test_the_room_is_the_heaviest_colour(known: bool, options: dict[str, Any]) -> None:
    """Where the background is not known, the leader is a candidate, too."""
    engine = counted(blends(1), **options)
    table: Any = engine._table
    steady = np.full((HEIGHT, WIDTH), known)
    background = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.float32)
    if not known:
        table.leader[:, :, 12:] = np.array((90, 170, 200))[:, None, None]
    out = Claims.nothing(table)
    lab = choice.choose_colours(table, engine.parameters, Bands(2), out, background, steady)
    reference, moved = expected(table, engine.parameters, steady)
    assert moved > 10
    np.testing.assert_allclose(lab, reference, atol=1e-3)
    claimed = reference.any(-1)
    assert np.array_equal(out.counts.episodes > 0, claimed)
    np.testing.assert_allclose(
        to_lab(out.room[..., :3].astype(float))[claimed], lab[claimed], atol=1e-3
    )


def test_a_single_wrong_sample_is_not_the_room() -> None:
    """Though it is farther from the background than what the neighbours show."""
    frames = np.broadcast_to(np.array(BACKGROUND), (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    frames[::6, 2:12, 2:16] = (180, 150, 70)
    frames[3, 5:9:3, 6:14:4] = (255, 250, 0)
    recovery = counted(frames).finalise()
    assert np.all(recovery.room[2:12, 2:16, :3] == (180, 150, 70))
