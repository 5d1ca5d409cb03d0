"""The detector's anchors, choice and letterbox, against slow references."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from unveil.person.detector import anchors, letterbox, surest

F32 = npt.NDArray[np.float32]
N_BOXES = 2254


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
