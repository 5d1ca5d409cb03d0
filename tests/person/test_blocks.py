"""Person masks on the block grid: on every N-th frame, dilated, and failing closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import DATA
from tests.sitter import HEIGHT, WIDTH, Watcher, seated
from unveil.person import Mask, Segmenter, blocks, comings
from unveil.person.blocks import BlockMasker
from unveil.simulation import scenes
from unveil.video.chunk import Chunk, Colour, Layout

Array = npt.NDArray[Any]
LAYOUT = Layout(HEIGHT, WIDTH, 1, 1)
"""Its blocks are single pixels: 64 rows are under 90."""


def chunk_of(n_frames: int, layout: Layout = LAYOUT) -> Chunk:
    planes = layout.empty(n_frames)
    for plane in planes:
        plane[...] = 128
    return Chunk(planes, np.zeros(n_frames), layout)


def nobody() -> Mask:
    return seated_at(np.zeros((16, 24), np.float32), presence=0.0)


def seated_at(probability: npt.NDArray[np.float32], presence: float = 1.0) -> Mask:
    sitting = seated()
    return Mask(probability, sitting.to_mask, HEIGHT, WIDTH, presence, landmarks=None)


def watched(
    monkeypatch: pytest.MonkeyPatch, watcher: Watcher, every: int = 1
) -> tuple[BlockMasker, npt.NDArray[np.int64]]:
    """Make a masker around a stand-in for the segmenter, and its counters."""
    monkeypatch.setattr(blocks, "Segmenter", lambda model, threads: watcher)
    searches = np.zeros(4, np.int64)
    return BlockMasker("lite", every=every, threads=1, searches=searches), searches


def slow_dilation(person: Array) -> Array:
    """Mark the person with 2, and with 1 all at most one step away, diagonals included."""
    height, width = person.shape
    found = np.zeros(person.shape, np.uint8)
    for y, x in np.argwhere(person):
        for v in range(max(0, y - 1), min(height, y + 2)):
            for u in range(max(0, x - 1), min(width, x + 2)):
                found[v, u] = 1
    found[person] = 2
    return found


def masks_of(masker: BlockMasker, chunk: Chunk, first_frame: int) -> Array:
    person = masker.add_mask(chunk, first_frame).person
    assert person is not None
    return person


@pytest.mark.parametrize("seed", range(5))
def test_the_mask_is_dilated_by_one_block(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    probability = np.random.default_rng(seed).random((16, 24), np.float32) ** 4
    mask = seated_at(probability)
    masker, _ = watched(monkeypatch, Watcher(lambda number: mask))
    masks = masks_of(masker, chunk_of(1), 0)
    assert masks.shape == (1, *LAYOUT.block_grid) == (1, HEIGHT, WIDTH)
    assert masks.dtype == np.uint8
    assert np.array_equal(masks[0], slow_dilation(mask.at(HEIGHT, WIDTH) >= 0.5))


def test_frames_that_are_not_segmented_keep_the_last_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = [np.zeros((16, 24), np.float32) for _ in range(4)]
    for number, probability in enumerate(columns):
        probability[:, 5 * number : 5 * number + 3] = 1
    watcher = Watcher(lambda number: seated_at(columns[number]))
    masker, searches = watched(monkeypatch, watcher, every=3)
    marked = masker.add_mask(chunk_of(10), 0)
    assert np.flatnonzero(marked.mask_is_fresh).tolist() == [0, 3, 6, 9]
    masks: Any = marked.person
    alone = [slow_dilation(seated_at(each).at(HEIGHT, WIDTH) >= 0.5) for each in columns]
    for number in range(10):
        assert np.array_equal(masks[number], alone[number // 3]), number
    assert watcher.n_asked == 4
    assert searches[:2].tolist() == [4, 0]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    probabilities = np.random.default_rng(0).random((23, 16, 24), np.float32)
    found = []
    for length in (23, 1, 4, 7):
        watcher = Watcher(lambda number: seated_at(probabilities[number]))
        masker, _ = watched(monkeypatch, watcher, every)
        cut = range(0, 23, length)
        parts = [masks_of(masker, chunk_of(min(length, 23 - start)), start) for start in cut]
        found.append(np.concatenate(parts).tobytes())
        assert watcher.n_asked == -(-23 // every)
    assert len(set(found)) == 1


def test_the_first_frame_is_segmented_whatever_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watcher = Watcher()
    masker, searches = watched(monkeypatch, watcher, every=4)
    marked = masker.add_mask(chunk_of(6), 7)
    assert np.flatnonzero(marked.mask_is_fresh).tolist() == [0, 1, 5]  # 7, 8 and 12
    assert searches[:2].tolist() == [3, 0]


@pytest.mark.parametrize("presence", [0.0, 0.3, 1.0])
def test_where_nobody_is_found_all_blocks_are_the_persons(
    monkeypatch: pytest.MonkeyPatch, presence: float
) -> None:
    """Selfie models report a little presence in an empty room, too."""
    empty = seated_at(np.full((16, 24), 0.3 * presence, np.float32), presence)
    masker, searches = watched(
        monkeypatch, Watcher(lambda number: seated() if number == 1 else empty)
    )
    masks = masks_of(masker, chunk_of(3), 0)
    assert masks.all((1, 2)).tolist() == [True, False, True]
    assert searches[:2].tolist() == [3, 2]


def test_the_network_gets_the_frames_own_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    class Noting(Watcher):
        def mask_planes(self, planes: Any, layout: Layout) -> Mask | None:
            seen.append(tuple(int(plane[0, 0]) for plane in planes))
            assert layout == LAYOUT
            return super().mask_planes(planes, layout)

    masker, _ = watched(monkeypatch, Noting(), every=2)
    chunk = chunk_of(5)
    for number in range(5):
        for channel, plane in enumerate(chunk.planes):
            plane[number] = 10 * channel + number
    masker.add_mask(chunk, 0)
    assert seen == [(number, 10 + number, 20 + number) for number in (0, 2, 4)]


def test_a_network_takes_no_more_threads_than_it_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(blocks, "Segmenter", lambda model, threads: asked.append(threads))
    for threads in (1, 3, 64):
        BlockMasker("lite", every=1, threads=threads, searches=np.zeros(4, np.int64))
    assert asked == [1, 3, 4]


@pytest.mark.parametrize(("height", "width"), [(360, 640), (137, 243)])
def test_an_astronaut_is_inside_her_mask(height: int, width: int) -> None:
    """With the default network, and with sizes that are no multiple of a block."""
    pytest.importorskip("ai_edge_litert")
    with Image.open(DATA / "astronaut.png") as image:
        person = image.resize((height * 2 // 3, height * 2 // 3))
    room = Image.fromarray(scenes.photo_room(height, width))
    place = (width // 3, height - person.height)
    room.paste(person, place, person)
    layout = Layout(height, width, colour=Colour("rgb", full_range=True))
    red, green, blue = np.moveaxis(np.asarray(room), -1, 0)
    planes = tuple(np.ascontiguousarray(plane)[None] for plane in (green, blue, red))
    searches = np.zeros(4, np.int64)
    masker = BlockMasker("lite", every=2, threads=1, searches=searches)
    (masks,) = masks_of(masker, Chunk(planes, np.zeros(1), layout), 0)
    assert searches.tolist() == [1, 0, 1, 0]
    by_pixel = masks.repeat(layout.block_size, 0).repeat(layout.block_size, 1)[:height, :width]
    mask = Segmenter("lite", threads=1).mask(np.asarray(room)).at(height, width)
    assert by_pixel[mask >= 0.5].all()
    # Nowhere farther from the mask than the dilation and one block.
    near = mask >= 0.5
    for _ in range(3 * layout.block_size):
        near = slow_dilation(near).astype(bool)
    assert not (by_pixel.astype(bool) & ~near).any()


# Two networks


def joint(
    monkeypatch: pytest.MonkeyPatch, pose: Watcher, selfie: Watcher, every: int = 1
) -> tuple[BlockMasker, npt.NDArray[np.int64]]:
    """Make a masker of "auto" around stand-ins for both segmenters."""
    by_model = {"lite": pose, "selfie-landscape": selfie}
    monkeypatch.setattr(blocks, "Segmenter", lambda model, threads: by_model[model])
    searches = np.zeros(4, np.int64)
    return BlockMasker("auto", every=every, threads=1, searches=searches), searches


def body(hips_y: float | None) -> npt.NDArray[np.float32] | None:
    """Place the landmarks of a body whose hips are so many frame heights below the top."""
    if hips_y is None:
        return None
    points = np.ones((33, 3), np.float32)
    points[[23, 24], 1] = hips_y * HEIGHT
    return points


@pytest.mark.parametrize(
    ("hips_y", "cut"),
    [(None, 0.6), (0.4, 0.75), (1.1, 0.75), (1.35, 0.625), (1.6, 0.5), (2.4, 0.5)],
)
def test_the_mean_of_two_networks_is_cut_by_the_framing(
    monkeypatch: pytest.MonkeyPatch, hips_y: float | None, cut: float
) -> None:
    columns = np.linspace(0, 1, 24, dtype=np.float32)
    sure = seated_at(np.ones((16, 24), np.float32))
    pose = Watcher(lambda number: replace(sure, landmarks=body(hips_y)))
    selfie = Watcher(lambda number: seated_at(np.tile(columns, (16, 1))))
    masker, searches = joint(monkeypatch, pose, selfie)
    (masks,) = masks_of(masker, chunk_of(1), 0)
    shown = seated_at(np.tile(columns, (16, 1))).at(*LAYOUT.block_grid)
    assert np.array_equal(masks == 2, (1 + shown) / 2 >= np.float32(cut))
    assert searches[:2].tolist() == [1, 0]


def test_where_the_pose_model_finds_nobody_there_is_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selfie = Watcher(lambda number: seated_at(np.ones((16, 24), np.float32)))
    masker, searches = joint(monkeypatch, Watcher(lambda number: nobody()), selfie)
    (masks,) = masks_of(masker, chunk_of(1), 0)
    assert (masks == 2).all()
    assert searches[:2].tolist() == [1, 1]
    assert selfie.n_asked == 0


def test_where_the_pose_model_loses_somebody_the_other_decides_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who leaves is half outside the picture, and what leaks then is not lost."""
    left = np.zeros((16, 24), np.float32)
    left[:, :8] = 1
    pose = Watcher(lambda number: seated_at(left) if number in (0, 1) else nobody())
    selfie = Watcher(lambda number: seated_at(left))
    masker, searches = joint(monkeypatch, pose, selfie)
    # The pose model looks in the first frame and, as nothing changes, in the fifth one.
    masks = masks_of(masker, chunk_of(8 + blocks.MAX_LOST + 3), 0)
    is_person = (masks == 2).mean((1, 2))
    n_seen = 8 + blocks.MAX_LOST
    assert np.allclose(is_person[:n_seen], 1 / 3, atol=0.02)
    assert (is_person[n_seen:] == 1).all()
    assert searches[:2].tolist() == [n_seen + 3, 3]


def test_who_is_lost_is_searched_in_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back between two searches has a face, which an old mask would take for the room."""
    left, right, nothing = np.zeros((3, 16, 24), np.float32)
    left[:, :8] = right[:, 16:] = 1
    shown = [left, right, left, nothing, right]
    pose = Watcher(lambda number: seated_at(left) if number == 0 else nobody())
    selfie = Watcher(lambda number: seated_at(shown[number]))
    masker, searches = joint(monkeypatch, pose, selfie, every=4)
    masks = masks_of(masker, chunk_of(8), 0)
    # Nothing is counted between the first searches that find somebody: all is the person.
    seen = [left, nothing, nothing, nothing, *shown[1:]]
    for mask, person in zip(masks, seen, strict=True):
        marked = seated_at(person).at(HEIGHT, WIDTH) >= 0.5
        assert np.array_equal(mask == 2, marked if person.any() else np.ones_like(marked))
    assert searches[:2].tolist() == [2, 0]
    assert pose.n_asked == 2


def test_where_somebody_was_just_found_old_masks_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who comes is elsewhere in the next frame."""
    left = np.zeros((16, 24), np.float32)
    left[:, :8] = 1
    watchers = [Watcher(lambda number: seated_at(left)) for _ in range(2)]
    masker, _ = joint(monkeypatch, *watchers, every=2)
    masks = masks_of(masker, chunk_of(2 * blocks.N_COMING + 2), 0)
    everywhere = (masks == 2).all((1, 2)).tolist()
    assert everywhere == [False, True] * (blocks.N_COMING - 1) + [False] * 4


def test_frames_before_another_person_is_found_are_doubted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who enters is found late: what was first seen shortly before is forgotten."""
    left, both = np.zeros((2, 16, 24), np.float32)
    left[:, :8] = both[:, :8] = both[:, 18:] = 1
    comes = 5
    pose = Watcher(lambda number: seated_at(left))
    selfie = Watcher(lambda number: seated_at(left if number < comes else both))
    masker, _ = joint(monkeypatch, pose, selfie)
    confirmed: list[Array] = []

    def confirms(search: Any, planes: Any, layout: Any, known: Any, piece: Array, old: Any) -> bool:
        confirmed.append(piece)
        search.piece = piece
        return True

    monkeypatch.setattr(blocks.SearchBeside, "confirms", confirms)
    masked = masker.add_mask(chunk_of(comes + 3), 0)
    assert masked.person is not None
    assert masked.doubted is not None
    (piece,) = confirmed
    assert not piece[:, : WIDTH // 2].any()
    assert np.flatnonzero(masked.doubted.any((1, 2))).tolist() == [comes]
    first = piece.any(0).argmax()
    assert (masked.doubted[comes, :, first:] == comings.SEARCHES_BEFORE).all()
    assert not masked.doubted[comes, :, :first].any()
    # All that the second network marks is the person from then on.
    assert (masked.person[comes:, :, -3:] == 2).all()
    assert (masked.person[:comes, :, -3:] == 0).all()


def test_where_both_models_lose_somebody_there_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = seated_at(np.ones((16, 24), np.float32))
    watchers = [Watcher(lambda number: everything if number == 0 else nobody()) for _ in range(2)]
    masker, searches = joint(monkeypatch, *watchers)
    masks = masks_of(masker, chunk_of(3), 0)
    assert (masks == 2).all()
    assert searches[:2].tolist() == [3, 2]


@pytest.mark.parametrize("n_people", [1, 3])
def test_of_several_people_all_are_the_person(
    monkeypatch: pytest.MonkeyPatch, n_people: int
) -> None:
    left, right = np.zeros((2, 16, 24), np.float32)
    left[:, :8] = 1
    right[:, 16:] = 0.9

    class Several(Watcher):
        def count_people(self, planes: Any, layout: Layout) -> int:
            return n_people

    pose = Several(lambda number: seated_at(left))
    selfie = Watcher(lambda number: seated_at(np.maximum(left, right)))
    masker, _ = joint(monkeypatch, pose, selfie)
    (masks,) = masks_of(masker, chunk_of(1), 0)
    width = LAYOUT.block_grid[1]
    assert (masks[:, : width // 4] == 2).all()
    assert (masks[:, 3 * width // 4 :] == 2).all() == (n_people > 1)


@pytest.mark.parametrize("is_there", [False, True])
def test_who_is_found_beside_the_first_one_is_the_person_too(
    monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    left, right = np.zeros((2, 16, 24), np.float32)
    left[:, :8] = 1
    right[:, 16:] = 0.9
    detected: list[int] = []

    class Beside(Watcher):
        def count_people(self, planes: Any, layout: Layout) -> int:
            return 1

        def detect(self, planes: Any, layout: Layout, to_frame: Any, known: Mask) -> Any:
            detected.append(selfie.n_asked)
            return "region" if is_there else None

        def look_at(self, region: Any, planes: Any, layout: Layout) -> Any:
            return seated_at(right), None

    pose = Beside(lambda number: seated_at(left))
    selfie = Watcher(lambda number: seated_at(np.maximum(left, right)))
    masker, searches = joint(monkeypatch, pose, selfie)
    masks = masks_of(masker, chunk_of(40), 0)
    width = LAYOUT.block_grid[1]
    assert (masks[:, :, : width // 4] == 2).all()
    assert (masks[:, :, 3 * width // 4 :] == 2).all() == is_there
    # Looks are four frames apart: it rests for eight, and whoever was found is looked for again.
    assert detected == [1, 33]
    assert searches[2:].tolist() == ([3, 2] if is_there else [1, 0])


@pytest.mark.parametrize(
    ("levels", "asked"),
    [
        ([0.5] * 9, [0, 4, 8]),
        ([0.5, 0.52, 0.53, 0.55, 0.55], [0, 3]),
        ([0.5, 0.6, 0.6, 0.5, 0.45], [0, 1, 3, 4]),
    ],
    ids=["still", "slow", "fast"],
)
def test_the_pose_model_looks_again_when_the_other_sees_a_change(
    monkeypatch: pytest.MonkeyPatch, levels: list[float], asked: list[int]
) -> None:
    """`levels` are the probabilities of the other one; their sum may change by 0.08 of it."""
    frames: list[int] = []

    def look(number: int) -> Mask:
        frames.append(selfie.n_asked - (number > 0))
        return seated_at(np.full((16, 24), 0.8, np.float32))

    selfie = Watcher(lambda number: seated_at(np.full((16, 24), levels[number], np.float32)))
    masker, _ = joint(monkeypatch, Watcher(look), selfie)
    masks = masks_of(masker, chunk_of(len(levels)), 0)
    assert frames == asked
    assert (masks == 2).all()


@pytest.mark.parametrize(("n_rows", "alone"), [(5, False), (9, True), (13, True)])
def test_where_the_pose_model_sees_little_of_the_person_the_other_decides(
    monkeypatch: pytest.MonkeyPatch, n_rows: int, alone: bool
) -> None:
    """It sees three of the rows that the other one marks; two in five are too few."""
    few, many = np.zeros((2, 16, 24), np.float32)
    few[:3] = 1
    many[:n_rows] = 1
    pose = Watcher(lambda number: seated_at(few))
    masker, _ = joint(monkeypatch, pose, Watcher(lambda number: seated_at(many)))
    (masks,) = masks_of(masker, chunk_of(1), 0)
    wanted = seated_at(many if alone else few).at(*LAYOUT.block_grid) >= 0.6
    assert ((masks == 2) == wanted).mean() > 0.95


def test_the_pose_models_mask_moves_with_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 2 columns a frame changes more than 0.08 of the sum, but moves only."""

    def shown(number: int) -> Mask:
        rows, columns = np.mgrid[:16, :24]
        apart = np.hypot(rows - 8, columns - 8 - 2 * number) - 5
        return seated_at((1 / (1 + np.exp(apart))).astype(np.float32))

    pose, selfie = Watcher(shown), Watcher(shown)
    masker, _ = joint(monkeypatch, pose, selfie)
    masks = masks_of(masker, chunk_of(3), 0)
    assert (pose.n_asked, selfie.n_asked) == (1, 3)
    for number, mask in enumerate(masks):
        wanted = shown(number).at(*LAYOUT.block_grid) >= 0.6
        assert ((mask == 2) != wanted).sum() <= 0.1 * wanted.sum()


def test_the_pose_model_looks_in_every_frame_until_it_finds_somebody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = seated_at(np.ones((16, 24), np.float32))
    pose = Watcher(lambda number: everything if number > 2 else nobody())
    masker, searches = joint(monkeypatch, pose, Watcher(lambda number: everything))
    masks_of(masker, chunk_of(6), 0)
    assert pose.n_asked == 4
    assert searches[:2].tolist() == [6, 3]
