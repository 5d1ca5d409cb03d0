"""What changes beside a person is compared with what a blur of the room must show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unveil.arrays import F32, Bool
from unveil.recovery.background.blur_evidence import (
    MAX_DISTANCE,
    Agreement,
    BlurEvidence,
    blur_evidence,
    distance_from_person,
)
from unveil.recovery.background.gaussian import filtered, filtered_inside

ROWS, COLUMNS = 45, 80
SIGMA = 3.0
EVERYWHERE = np.ones((ROWS, COLUMNS), np.bool_)


def frames_of(kind: str) -> list[tuple[F32, Bool]]:
    """Make the blocks of frames of a person who walks before a background of some kind."""
    rng = np.random.default_rng(0)
    room = filtered(rng.normal(128, 150, (ROWS, COLUMNS)).astype(np.float32), 2.0)
    other = filtered(rng.normal(128, 150, (ROWS, COLUMNS)).astype(np.float32), 2.0)
    frames = []
    for left in range(4, 64, 4):
        person = np.zeros((ROWS, COLUMNS), np.bool_)
        person[15:, left : left + 12] = True
        camera = np.where(person, np.float32(60), room)
        behind = {
            "free": filtered_inside(room, ~person, SIGMA),
            "halo": filtered(camera, SIGMA),
            "still": filtered(other, SIGMA),
            "soft mask": other
            + 0.9 * filtered(person.astype(np.float32), 0.6) * (camera.mean() - other),
        }[kind]
        shown = np.where(person, camera, behind) + rng.normal(0, 0.1, room.shape)
        frames.append((shown.astype(np.float32), person))
    return frames


@pytest.mark.parametrize("kind", ["free", "halo", "still", "soft mask"])
def test_only_a_blur_of_the_room_agrees_with_one(kind: str) -> None:
    evidence = blur_evidence(frames_of(kind), EVERYWHERE, SIGMA)
    assert evidence is not None
    assert evidence.is_blur == (kind in ("free", "halo"))
    if kind == "halo":
        assert evidence.halo.correlation > 0.9
        assert evidence.halo.slope == pytest.approx(1, abs=0.15)
        assert evidence.may_be_blur
    if kind == "free":
        assert evidence.free.correlation > 0.5
    if kind == "still":
        assert abs(evidence.free.correlation) < 0.1
        assert evidence.change < 0.2


def test_a_halo_must_be_as_strong_as_its_blur_and_reach_as_far() -> None:
    nothing = Agreement(0.0, 0.0, 0.0)
    halo = Agreement(0.7, 0.7, 1.0)
    evidence = BlurEvidence(nothing, halo, halo, 2.0, 0.1)
    assert evidence.is_blur
    assert not replace(evidence, halo=replace(halo, slope=0.2)).is_blur
    assert not replace(evidence, halo=replace(halo, varying=0.2)).is_blur
    assert not replace(evidence, farther_halo=nothing).is_blur
    assert not replace(evidence, halo=nothing).is_blur
    assert replace(evidence, free=halo, halo=nothing).is_blur


def test_blocks_that_are_not_compared_do_not_count() -> None:
    """A thing that flickers, and is left out, changes nothing but its neighbours' predictions."""
    frames = frames_of("free")
    left_out = np.zeros((ROWS, COLUMNS), np.bool_)
    left_out[:10] = True
    flickering = [
        (np.where(left_out & ~person, levels + 30 * (n % 2), levels).astype(np.float32), person)
        for n, (levels, person) in enumerate(frames)
    ]
    evidence = blur_evidence(flickering, ~left_out, SIGMA)
    assert evidence is not None
    assert evidence.is_blur
    assert evidence.change_far < 0.2


def test_nothing_is_compared_without_frames_or_where_the_person_is_always_near() -> None:
    assert blur_evidence([], EVERYWHERE, SIGMA) is None
    person = np.zeros((ROWS, COLUMNS), np.bool_)
    person[::6, ::6] = True
    assert (
        blur_evidence([(np.zeros((ROWS, COLUMNS), np.float32), person)] * 5, EVERYWHERE, 3.0)
        is None
    )


def test_the_distance_is_counted_in_blocks() -> None:
    rng = np.random.default_rng(1)
    person = rng.random((30, 40)) < 0.004
    person[20, 20] = True
    rows, columns = np.nonzero(person)
    for y, x in np.ndindex(person.shape):
        nearest = np.maximum(np.abs(rows - y), np.abs(columns - x)).min()
        assert distance_from_person(person)[y, x] == min(nearest, MAX_DISTANCE)
    assert (distance_from_person(np.zeros_like(person)) == MAX_DISTANCE).all()
