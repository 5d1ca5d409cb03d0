"""Scores against the truth, by a reference that goes pixel by pixel."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.recovery.decide.naive_finalise import ciede2000, to_lab
from tests.scoring.test_truth import make_truth
from unveil.errors import InvalidParameter, MissingInput, UnreadableImage
from unveil.scoring.background_metrics import initialisation_metrics
from unveil.scoring.leak import measure_recovery, paint_background, room_file, score_truth
from unveil.scoring.truth import Truth

U8 = npt.NDArray[np.uint8]


def distance(a: U8, b: U8) -> float:
    first, second = (tuple(map(float, colour[:3])) for colour in (a, b))
    return ciede2000(to_lab(first), to_lab(second))


def share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def naive_score(room: U8, truth: Truth, background: U8) -> dict[str, Any]:
    """Score by the definitions, one pixel after the other."""
    total = matched = painted = strong = near = close = claimed = right = 0.0
    sure = sure_right = pure = error = 0.0
    bins = [[0, 0.0, 0] for _ in range(10)]
    for y, x in np.ndindex(truth.height, truth.width):
        leak = int(truth.leak[y, x]) / 255
        blend = np.array(
            [
                int(truth.background[y, x, c] * (1 - leak) + truth.room[y, x, c] * leak)
                for c in range(3)
            ],
            np.uint8,
        )
        total += leak
        painted += leak * (distance(truth.background[y, x], blend) < 4)
        strong += truth.hits[y, x] >= 2
        if truth.seen[y, x] >= 3:
            pure += 1
            luma = [
                round(0.299 * int(p[0]) + 0.587 * int(p[1]) + 0.114 * int(p[2]))
                for p in (background[y, x], truth.background[y, x])
            ]
            error += abs(luma[0] - luma[1])
        alpha = int(room[y, x, 3]) / 255
        if not alpha:
            continue
        to_room, to_blend = distance(room[y, x], truth.room[y, x]), distance(room[y, x], blend)
        is_right = to_room < 10 or (leak > 0.3 and to_blend < 10)
        claimed += 1
        right += is_right
        matched += leak * (to_blend < 4)
        near += bool(truth.hits[y, x] >= 2 and to_room < 10)
        close += bool(truth.hits[y, x] >= 2 and to_room < 5)
        sure += alpha > 0.5
        sure_right += alpha > 0.5 and is_right
        (tenth,) = (n for n in range(10) if n / 10 < alpha <= (n + 1) / 10 + 1e-12)
        bins[tenth][0] += 1
        bins[tenth][1] += alpha
        bins[tenth][2] += is_right
    recall, precision = share(near, strong), right / claimed if claimed else 0.0
    both = recall + precision
    size = truth.height * truth.width
    return {
        "leak_score": share(matched, total),
        "floor": share(painted, total),
        "f": 2 * recall * precision / both if both else 0.0,
        "recall": recall,
        "close_recall": share(close, strong),
        "precision": precision,
        "confident_precision": share(sure_right, sure),
        "coverage": claimed / size,
        "confident_coverage": sure / size,
        "strong_share": strong / size,
        "background_error": share(error, pure),
        "bins": [(n, share(summed, n), share(good, n)) for n, summed, good in bins],
    }


def recovery_of(truth: Truth, seed: int = 0) -> tuple[U8, U8]:
    """Make a recovery that is right here, near there, and claims nothing elsewhere."""
    rng = np.random.default_rng(seed)
    size = (truth.height, truth.width)
    kind = rng.integers(0, 5, size)
    noise = rng.integers(-9, 10, (*size, 3))
    sources = np.stack(
        [
            truth.room,
            truth.blend,
            truth.background,
            rng.integers(0, 256, (*size, 3), dtype=np.uint8),
            np.clip(truth.room + noise, 0, 255).astype(np.uint8),
        ]
    )
    colours = np.take_along_axis(sources, kind[None, ..., None], axis=0)[0]
    alpha = rng.integers(0, 256, size, dtype=np.uint8) * (rng.random(size) < 0.8)
    alpha[0, :4] = 51, 102, 204, 255  # whole tenths
    room = np.dstack([colours, alpha.astype(np.uint8)])
    background = np.clip(truth.background + rng.integers(-9, 10, (*size, 3)), 0, 255)
    return room, background.astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_that_of_the_reference(seed: int) -> None:
    truth = make_truth(17, 19, seed)
    room, background = recovery_of(truth, seed)
    measured = measure_recovery(room, truth, background)
    wanted = naive_score(room, truth, background)
    for name in wanted.keys() - {"bins"}:
        assert getattr(measured, name) == pytest.approx(wanted[name], abs=1e-9), name
    assert len(measured.calibration) == 10
    for n, (part, (pixels, mean, precision)) in enumerate(
        zip(measured.calibration, wanted["bins"], strict=True)
    ):
        assert (part.low, part.high) == (n / 10, (n + 1) / 10)
        assert part.pixels == pixels
        assert part.mean_confidence == pytest.approx(mean, nan_ok=True)
        assert part.precision == pytest.approx(precision, nan_ok=True)
    found = (room[..., 3] > 0) & (truth.hits >= 2)
    assert asdict(measured.room) == pytest.approx(
        asdict(initialisation_metrics(room, truth.room, mask=found))
    )
    assert measured.background is not None
    assert asdict(measured.background) == pytest.approx(
        asdict(initialisation_metrics(background, truth.background, mask=truth.seen >= 3))
    )


def test_the_truth_itself_is_perfect() -> None:
    truth = make_truth(20, 20)
    opaque = np.full((20, 20, 1), 255, np.uint8)
    score = measure_recovery(np.dstack([truth.room, opaque]), truth, truth.background)
    assert (score.recall, score.close_recall, score.precision, score.f) == (1, 1, 1, 1)
    assert score.room.age == score.background_error == 0
    blend = measure_recovery(np.dstack([truth.blend, opaque]), truth)
    assert blend.leak_score == 1
    assert blend.background is blend.background_error is None


def test_the_floor_is_what_painting_the_background_earns() -> None:
    truth = make_truth(20, 20)
    painted = measure_recovery(paint_background(truth), truth)
    assert painted.leak_score == painted.floor > 0
    room, _ = recovery_of(truth)
    assert measure_recovery(room, truth).floor == painted.floor


def test_nothing_claimed_and_nothing_leaked() -> None:
    truth = make_truth(20, 20)
    nothing = measure_recovery(np.zeros((20, 20, 4), np.uint8), truth)
    assert nothing.leak_score == nothing.f == nothing.precision == nothing.coverage == 0
    assert math.isnan(nothing.confident_precision)
    tight = Truth(
        truth.room,
        truth.background,
        np.zeros_like(truth.leak),
        np.zeros_like(truth.hits),
        np.zeros_like(truth.seen),
    )
    empty = measure_recovery(np.zeros((20, 20, 4), np.uint8), tight, truth.background)
    assert math.isnan(empty.leak_score)
    assert math.isnan(empty.recall)
    content = json.loads(json.dumps(empty.as_dict(), allow_nan=False))
    assert content["leak_score"] is None
    assert content["background_error"] is None
    assert content["calibration"][3]["precision"] is None


def test_a_picture_without_alpha_claims_what_is_not_the_background() -> None:
    truth = make_truth(20, 20)
    room, _ = recovery_of(truth)
    score = measure_recovery(room[..., :3], truth)
    claimed = np.array(
        [[distance(room[y, x], truth.background[y, x]) > 5 for x in range(20)] for y in range(20)]
    )
    assert score.coverage == claimed.mean()
    alpha = np.where(claimed, 255, 0).astype(np.uint8)
    same = measure_recovery(np.dstack([room[..., :3], alpha]), truth)
    assert same == score


def test_files_and_folders(tmp_path: Path) -> None:
    truth = make_truth(20, 20)
    truth.write(tmp_path / "truth.npz")
    room, background = recovery_of(truth)
    folder = tmp_path / "out"
    folder.mkdir()
    Image.fromarray(room).save(folder / "room.png")
    assert room_file(folder) == room_file(folder / "room.png") == folder / "room.png"
    alone = score_truth(folder, tmp_path / "truth.npz")
    assert alone.background is None
    assert (alone.recovery, alone.truth) == (str(folder), str(tmp_path / "truth.npz"))
    Image.fromarray(background).save(folder / "background.png")
    both = score_truth(folder, tmp_path / "truth.npz")
    assert both.background is not None
    wanted = measure_recovery(room, truth, background)
    assert both.as_dict() | {"recovery": "", "truth": ""} == wanted.as_dict()
    # A picture is only itself, whatever lies beside it.
    assert score_truth(folder / "room.png", tmp_path / "truth.npz").background is None


def test_what_cannot_be_scored(tmp_path: Path) -> None:
    truth = make_truth(20, 20)
    path = tmp_path / "truth.npz"
    truth.write(path)
    with pytest.raises(MissingInput, match=r"room\.png"):
        score_truth(tmp_path, path)
    (tmp_path / "room.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage):
        score_truth(tmp_path, path)
    Image.new("RGBA", (20, 19)).save(tmp_path / "room.png")
    with pytest.raises(InvalidParameter, match="20x19"):
        score_truth(tmp_path, path)
    with pytest.raises(InvalidParameter, match="background"):
        measure_recovery(np.zeros((20, 20, 4), np.uint8), truth, np.zeros((20, 21, 3), np.uint8))
