"""The detector's anchors, choice and letterbox, against slow references."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import DATA
from unveil.person import Segmenter
from unveil.person.detector import anchors, distinct, letterbox, surest
from unveil.simulation import scenes
from unveil.video.chunk import Colour, Layout

F32 = npt.NDArray[np.float32]
N_BOXES = 2254
ASTRONAUT = DATA / "astronaut.png"


def slow_anchors() -> list[tuple[float, float]]:
    return [
        ((column + 0.5) * stride, (row + 0.5) * stride)
        for stride in (8, 16, 32, 32, 32)
        for row in range(224 // stride)
        for column in range(224 // stride)
        for _ in range(2)
    ]


def slow_surest(boxes: F32, logits: F32) -> list[list[float]] | None:
    people = []
    for box, logit, (x, y) in zip(boxes.tolist(), logits.tolist(), slow_anchors(), strict=True):
        score = 1 / (1 + np.exp(-logit))
        if score >= 0.5:
            left, top = x + box[0] - box[2] / 2, y + box[1] - box[3] / 2
            points = [x + box[4], y + box[5], x + box[6], y + box[7]]
            people.append((score, (left, top, left + box[2], top + box[3]), points))
    if not people:
        return None
    best = max(people, key=lambda person: person[0])[1]
    total, mean = 0.0, np.zeros(4)
    for score, box, points in people:
        across = min(box[2], best[2]) - max(box[0], best[0])
        down = min(box[3], best[3]) - max(box[1], best[1])
        common = across * down if across > 0 and down > 0 else 0.0
        area, best_area = ((b[2] - b[0]) * (b[3] - b[1]) for b in (box, best))
        if common / (area + best_area - common) > 0.3:
            total += score
            mean += score * np.array(points)
    return (mean / total).reshape(2, 2).tolist()


def predictions(seed: int, bias: float) -> tuple[F32, F32]:
    rng = np.random.default_rng(seed)
    boxes = rng.normal(0, 30, (N_BOXES, 12))
    boxes[:, 2:4] = rng.uniform(20, 120, (N_BOXES, 2))
    return boxes.astype(np.float32), rng.normal(bias, 2, N_BOXES).astype(np.float32)


def test_anchors_are_the_centres_of_cells() -> None:
    assert anchors().shape == (N_BOXES, 2)
    assert anchors().tolist() == [list(centre) for centre in slow_anchors()]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bias", [-7.0, -4.0, 0.0])
def test_the_surest_person_is_averaged(seed: int, bias: float) -> None:
    boxes, logits = predictions(seed, bias)
    found, wanted = surest(boxes, logits), slow_surest(boxes, logits)
    if wanted is None:
        assert found is None
    else:
        assert found is not None
        assert np.allclose(found, wanted, rtol=1e-5, atol=1e-3)


def test_nobody_is_found_below_the_least_score() -> None:
    boxes, logits = predictions(0, 0.0)
    assert surest(boxes, np.minimum(logits, -0.01)) is None
    assert surest(boxes, np.full_like(logits, -1e30)) is None


def test_of_two_people_the_surer_one_is_taken() -> None:
    boxes, logits = np.zeros((N_BOXES, 12), np.float32), np.full(N_BOXES, -9, np.float32)
    boxes[:, 2:4] = 30
    first, second = 200, 1400  # far apart
    logits[[first, first + 1, second]] = 2.0, 1.0, 3.0
    found = surest(boxes, logits)
    assert found is not None
    assert np.allclose(found[0], anchors()[second])
    logits[second] = 1.5
    found = surest(boxes, logits)
    assert found is not None
    assert np.allclose(found[0], anchors()[first])


def test_a_box_without_an_area_is_no_division_by_zero() -> None:
    boxes, logits = np.zeros((N_BOXES, 12), np.float32), np.full(N_BOXES, -9, np.float32)
    logits[7] = 5
    found = surest(boxes, logits)
    assert found is not None
    assert found.tolist() == [anchors()[7].tolist()] * 2


@pytest.mark.parametrize("size", [(224, 224), (1080, 1920), (1920, 1080), (3, 1000)])
def test_the_frame_fits_into_the_letterbox(size: tuple[int, int]) -> None:
    height, width = size
    to_frame = letterbox(height, width)
    assert np.allclose(to_frame @ [112, 112, 1], [width / 2, height / 2])
    low, high = to_frame @ [0, 0, 1], to_frame @ [224, 224, 1]
    assert np.allclose(high - low, max(size))


def slow_distinct(boxes: F32, logits: F32) -> int:
    """Count by taking the best box left, and leaving out all that overlap it, again and again."""
    left = []
    for box, logit, (x, y) in zip(boxes.tolist(), logits.tolist(), slow_anchors(), strict=True):
        score = 1 / (1 + np.exp(-logit))
        if score >= 0.2:
            left.append((score, x + box[0], y + box[1], box[2], box[3]))
    n_people = 0
    while left:
        _, best_x, best_y, best_w, best_h = max(left)
        n_people += 1
        apart = []
        for score, x, y, w, h in left:
            across = min(x + w / 2, best_x + best_w / 2) - max(x - w / 2, best_x - best_w / 2)
            down = min(y + h / 2, best_y + best_h / 2) - max(y - h / 2, best_y - best_h / 2)
            common = across * down if across > 0 and down > 0 else 0.0
            if common / (w * h + best_w * best_h - common) <= 0.3:
                apart.append((score, x, y, w, h))
        left = apart
    return n_people


@pytest.mark.parametrize("seed", range(5))
def test_people_are_counted_by_what_does_not_overlap(seed: int) -> None:
    boxes, logits = predictions(seed, bias=-5.0)
    expected = slow_distinct(boxes, logits)
    assert expected > 1
    assert distinct(boxes, logits) == expected


def test_nobody_is_counted_where_nobody_scores() -> None:
    boxes, _ = predictions(0, bias=0.0)
    assert distinct(boxes, np.full(N_BOXES, -1.4, np.float32)) == 0


@pytest.mark.parametrize("n_people", [1, 2, 3])
def test_people_side_by_side_are_several(n_people: int) -> None:
    """A portrait once, twice or three times; the third scores too little to be promised."""
    pytest.importorskip("ai_edge_litert")
    height, width = 180, 320
    picture = Image.fromarray(scenes.photo_room(height, width))
    place = width // n_people
    side = min(place, 150)
    with Image.open(ASTRONAUT) as image:
        portrait = image.convert("RGBA").resize((side, side))
    for k in range(n_people):
        picture.paste(portrait, (k * place + (place - side) // 2, height - side), portrait)
    red, green, blue = (np.ascontiguousarray(c) for c in np.moveaxis(np.asarray(picture), -1, 0))
    layout = Layout(height, width, colour=Colour("rgb", full_range=True))
    found = Segmenter("lite", threads=1).count_people((green, blue, red), layout)
    assert found == 1 if n_people == 1 else found in (2, 3)
    assert Segmenter("selfie", threads=1).count_people((green, blue, red), layout) is None
