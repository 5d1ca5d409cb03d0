"""The kernels that lay a mask over planes, against references and with the JIT off, too."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import WITHOUT_JIT
from tests.kernels import naive_matte as naive
from unveil.protection.compose import AlphaLut
from unveil_kernels import blur, matte

Array = npt.NDArray[Any]

pytestmark = pytest.mark.kernels

PROPERTY = settings(max_examples=12 if WITHOUT_JIT else 60)
MAX_SIDE = 14 if WITHOUT_JIT else 24


@dataclass(frozen=True)
class Scene:
    """A frame, a backdrop and an opacity, drawn from a seed."""

    height: int
    width: int
    shifts: tuple[int, int]
    step: int
    block: int
    edge: float
    seed: int

    @property
    def sizes(self) -> Array:
        """Height and width of each plane."""
        chroma = [-(-self.height >> self.shifts[0]), -(-self.width >> self.shifts[1])]
        return np.array([[self.height, self.width], chroma, chroma])

    def per_plane(self, side: int) -> Array:
        """Rows and columns of each plane that a square of luma covers."""
        chroma = [side >> self.shifts[0], side >> self.shifts[1]]
        return np.array([[side, side], chroma, chroma])

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers, the same each time."""
        return np.random.default_rng(self.seed)

    def planes(self, offset: int, padding: int = 0) -> tuple[Array, Array, Array]:
        """Draw planes of noise, with columns beyond the picture if wanted."""
        rng = np.random.default_rng((self.seed, offset))
        y, cb, cr = (
            rng.integers(0, 256, (height, width + padding), np.uint8)
            for height, width in self.sizes
        )
        return y, cb, cr

    @property
    def cells(self) -> Array:
        """Opacity with wide regions of all, of nothing and of neither."""
        shape = (-(-self.height // self.step), -(-self.width // self.step))
        coarse = self.rng.choice([0, 0, matte.ONE, matte.ONE, 2000], shape)
        noise = self.rng.integers(0, matte.ONE + 1, shape)
        return np.where(self.rng.random(shape) < 0.2, noise, coarse).astype(np.uint16)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    shifts = draw(st.sampled_from([(0, 0), (0, 1), (1, 1), (1, 0), (0, 2), (2, 2)]))
    least = max(shifts)
    return Scene(
        height=draw(st.integers(1, MAX_SIDE)),
        width=draw(st.integers(1, MAX_SIDE)),
        shifts=shifts,
        step=1 << draw(st.integers(least, 4)),
        block=1 << draw(st.integers(max(least, 1), 4)),
        edge=draw(st.sampled_from([0.05, 0.3, 0.5, 0.9, 0.95])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def bands(n: int, seed: int) -> list[tuple[int, int]]:
    """Cut rows into bands, in random order."""
    rng = np.random.default_rng(seed)
    cuts = [0, *(i for i in range(1, n) if rng.random() < 0.4), n]
    parts = list(itertools.pairwise(cuts))
    return [parts[i] for i in rng.permutation(len(parts))]


def blend(scene: Scene, alpha_lut: AlphaLut, targets: tuple[Array, ...]) -> None:
    for first, last in bands(len(scene.cells) + 1, scene.seed):
        matte.blend(
            scene.planes(1),
            scene.planes(2),
            np.ones(3, np.int64),
            targets,
            scene.sizes,
            scene.per_plane(scene.step),
            scene.cells,
            alpha_lut.table,
            alpha_lut.alpha_zero_max,
            alpha_lut.alpha_one_min,
            first,
            last,
        )


@PROPERTY
@given(scenes())
def test_blending_is_what_the_reference_says(scene: Scene) -> None:
    alpha_lut = AlphaLut(scene.edge)
    targets = scene.planes(3, padding=5)
    padding = [
        target[:, width:].copy() for target, (_, width) in zip(targets, scene.sizes, strict=True)
    ]
    blend(scene, alpha_lut, targets)
    for p, (height, width) in enumerate(scene.sizes):
        steps = tuple(scene.per_plane(scene.step)[p])
        alpha = naive.opacity(scene.cells, alpha_lut.table, height, width, steps)
        source, backdrop = scene.planes(1)[p], scene.planes(2)[p]
        wanted = naive.blended(source, backdrop, alpha)
        np.testing.assert_array_equal(targets[p][:, :width], wanted)
        np.testing.assert_array_equal(targets[p][:, width:], padding[p])
        # The person is copied, and of the room nothing is left.
        np.testing.assert_array_equal(wanted[alpha == 255], source[alpha == 255])
        np.testing.assert_array_equal(wanted[alpha == 0], backdrop[alpha == 0])


@PROPERTY
@given(scenes())
def test_opacity_is_what_the_reference_says(scene: Scene) -> None:
    alpha_lut = AlphaLut(scene.edge)
    target = np.zeros((scene.height, scene.width + 3), np.uint8)
    for first, last in bands(len(scene.cells) + 1, scene.seed):
        matte.write_opacity(
            scene.cells,
            alpha_lut.table,
            alpha_lut.alpha_zero_max,
            alpha_lut.alpha_one_min,
            scene.step,
            scene.height,
            scene.width,
            target,
            first,
            last,
        )
    steps = (scene.step, scene.step)
    wanted = naive.opacity(scene.cells, alpha_lut.table, scene.height, scene.width, steps)
    np.testing.assert_array_equal(target[:, : scene.width], wanted)
    assert not target[:, scene.width :].any()


@PROPERTY
@given(
    scene=scenes(),
    mask_shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    rise=st.sampled_from([1, 60, 128, 256]),
    turn=st.floats(-3.2, 3.2),
    scale=st.floats(0.05, 2.0),
)
def test_placing_is_what_the_reference_says(
    scene: Scene, mask_shape: tuple[int, int], rise: int, turn: float, scale: float
) -> None:
    rng = scene.rng
    probability = rng.random(mask_shape).astype(np.float32)
    probability[rng.random(mask_shape) < 0.1] = 1.5
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    offset = rng.uniform(-4, 8, 2)
    to_mask = np.array([[c, -s, offset[0]], [s, c, offset[1]]])
    before = scene.cells
    after = before.copy()
    for first, last in bands(len(before), scene.seed):
        matte.place_mask(
            probability, to_mask, scene.height, scene.width, scene.step, rise, after, first, last
        )
    wanted = naive.placed(probability, to_mask, scene.height, scene.width, scene.step, rise, before)
    # A sum in another order may fall on the other side of a half, or of the mask's border.
    assert np.mean(np.abs(after.astype(int) - wanted) > 1) <= 0.02
    assert after.max() <= matte.ONE


@PROPERTY
@given(scene=scenes(), n_seeds=st.integers(0, 4))
def test_only_what_is_joined_to_a_seed_is_kept(scene: Scene, n_seeds: int) -> None:
    cells = scene.cells
    clear = AlphaLut(scene.edge).alpha_zero_max
    seeds = scene.rng.integers(-1, max(cells.shape) + 1, (n_seeds, 2))
    wanted = naive.joined(cells, [(int(r), int(c)) for r, c in seeds], clear)
    reached, stack = np.empty(cells.shape, np.uint8), np.empty(cells.size, np.int32)
    matte.keep_joined(seeds, clear, cells, reached, stack)
    np.testing.assert_array_equal(cells, wanted)


def test_the_opacity_falls_at_once_and_rises_slowly() -> None:
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cells = np.zeros((4, 4), np.uint16)
    levels = []
    for shown in (1, 1, 1, 0, 1):
        mask = np.full((4, 4), shown, np.float32)
        matte.place_mask(mask, identity, 4, 4, 1, 128, cells, 0, 4)
        levels.append(int(cells[2, 2]))
    assert levels == [2048, 3072, 3584, 0, 2048]


def test_it_rises_all_the_way() -> None:
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cells = np.zeros((1, 1), np.uint16)
    for _ in range(5000):
        matte.place_mask(np.ones((1, 1), np.float32), identity, 1, 1, 1, 1, cells, 0, 1)
    assert cells[0, 0] == matte.ONE


def test_what_is_no_probability_shows_nothing() -> None:
    mask = np.ones((4, 4), np.float32)
    mask[1, 1] = np.nan
    mask[3, 3] = -1.0
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cells = np.full((4, 4), matte.ONE, np.uint16)
    matte.place_mask(mask, identity, 4, 4, 1, 256, cells, 0, 4)
    assert cells[1, 1] == cells[3, 3] == 0
    assert cells[0, 3] == matte.ONE
    matte.place_mask(mask, identity * np.nan, 4, 4, 1, 256, cells, 0, 4)
    assert not cells.any()


def test_nothing_shows_outside_the_mask() -> None:
    to_mask = np.array([[1.0, 0.0, -8.0], [0.0, 1.0, -8.0]])
    cells = np.full((16, 16), 77, np.uint16)
    matte.place_mask(np.ones((4, 4), np.float32), to_mask, 16, 16, 1, 256, cells, 0, 16)
    wanted = np.zeros((16, 16), np.uint16)
    wanted[8:12, 8:12] = matte.ONE
    np.testing.assert_array_equal(cells, wanted)


@PROPERTY
@given(scene=scenes(), radius=st.integers(0, 5))
def test_the_blur_is_what_the_reference_says(scene: Scene, radius: int) -> None:
    alpha_lut = AlphaLut(scene.edge)
    factors = scene.per_plane(scene.block)
    rows, columns = -(-scene.height // scene.block), -(-scene.width // scene.block)
    planes = scene.planes(1)
    values = np.empty((rows, columns, 4), np.float32)
    for first, last in bands(rows, scene.seed):
        blur.shrink(
            planes,
            scene.sizes,
            factors,
            scene.cells,
            scene.step,
            scene.block,
            alpha_lut.alpha_zero_max,
            values,
            first,
            last,
        )
    wanted = naive.shrunk(
        list(planes),
        factors,
        scene.cells,
        scene.step,
        scene.block,
        alpha_lut.alpha_zero_max,
        (rows, columns),
    )
    np.testing.assert_allclose(values, wanted, rtol=1e-5)

    transposed = np.empty((columns, rows, 4), np.float32)
    for first, last in bands(rows, scene.seed + 1):
        blur.box_rows(values, radius, transposed, first, last)
    np.testing.assert_allclose(transposed, naive.boxed(values, radius), rtol=1e-3, atol=1e-3)

    wides = tuple(np.empty((rows, width), np.uint8) for _, width in scene.sizes)
    for first, last in bands(rows, scene.seed + 2):
        blur.widen(values, scene.sizes[:, 1].copy(), factors[:, 1].copy(), wides, first, last)
    targets = scene.planes(3, padding=2)
    for first, last in bands(len(scene.cells) + 1, scene.seed + 3):
        matte.blend(
            planes,
            wides,
            factors[:, 0].copy(),
            targets,
            scene.sizes,
            scene.per_plane(scene.step),
            scene.cells,
            alpha_lut.table,
            alpha_lut.alpha_zero_max,
            alpha_lut.alpha_one_min,
            first,
            last,
        )
    for p, (height, width) in enumerate(scene.sizes):
        steps = tuple(scene.per_plane(scene.step)[p])
        alpha = (
            naive.opacity(scene.cells, alpha_lut.table, height, width, steps).astype(float) / 255
        )
        behind = naive.enlarged(values, p, height, width, factors)
        mixed = planes[p] * alpha + behind * (1 - alpha)
        # Two roundings of the blurred picture and one of the mix.
        assert np.abs(targets[p][:, :width] - mixed).max() <= 2
        person = alpha == 1
        np.testing.assert_array_equal(targets[p][:, :width][person], planes[p][person])


def test_the_person_does_not_bleed_into_the_blur() -> None:
    """A white person before a black room: the blurred room stays black up to the very edge."""
    size, step, block = 64, 2, 4
    luma = np.zeros((size, size), np.uint8)
    cells = np.zeros((32, 32), np.uint16)
    luma[16:48, 16:48] = 255
    cells[7:25, 7:25] = matte.ONE
    planes = (luma, luma.copy(), luma.copy())
    sizes, factors = np.full((3, 2), size), np.full((3, 2), block)
    values, transposed = np.empty((16, 16, 4), np.float32), np.empty((16, 16, 4), np.float32)
    blur.shrink(planes, sizes, factors, cells, step, block, 0, values, 0, 16)
    for _ in range(3):
        blur.box_rows(values, 2, transposed, 0, 16)
        blur.box_rows(transposed, 2, values, 0, 16)
    blurred = values[..., 0] / values[..., 3]
    assert blurred[0].max() < 0.5
    assert blurred[3].max() < 3
