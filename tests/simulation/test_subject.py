"""The person of a simulated call: where it stands, how it moves, how hard its outline is."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.footage import numbered_frames, write_video
from tests.segmenters import Redness
from unveil.simulation.subject import Actor, Choreography, Pose, place

RED = (220, 20, 30)


def square(alpha: int = 255) -> Image.Image:
    """Draw a red square of 10 in a picture of 20, with garbage where it is transparent."""
    picture = np.full((20, 20, 4), (9, 250, 9, 0), np.uint8)
    picture[10:, 5:15] = (*RED, alpha)
    return Image.fromarray(picture)


def test_a_person_stands_on_the_lower_edge_in_the_middle() -> None:
    person, matte = place(square(), Pose(), 40, 60, scale=1.0)
    assert person.shape == (40, 60, 3)
    inside = np.zeros((40, 60), np.bool_)
    inside[20:, 20:40] = True
    assert ((matte > 127) == inside).all()
    assert (matte[22:, 22:38] == 255).all()
    assert set(np.unique(matte[:17])) == {0}
    # The green of what is transparent does not bleed into the edge.
    assert person[matte > 127][:, 1].max() <= 60
    assert np.abs(person[26:38, 24:36].astype(int) - RED).max() <= 2


@pytest.mark.parametrize(
    ("pose", "rows", "columns"),
    [
        (Pose(right=0.25), (20, 40), (30, 50)),
        (Pose(right=-0.5), (20, 40), (0, 20)),
        (Pose(zoom=1.5), (10, 40), (15, 45)),
    ],
)
def test_a_pose_moves_the_person(
    pose: Pose, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    _, matte = place(square(), pose, 40, 60, scale=1.0)
    ys, xs = np.nonzero(matte > 127)
    assert (ys.min(), ys.max() + 1) == rows
    assert (xs.min(), xs.max() + 1) == columns


def test_scale_is_a_share_of_the_height_and_lean_keeps_the_seat() -> None:
    _, small = place(square(), Pose(), 40, 60, scale=0.5)
    assert np.nonzero(small > 127)[0].min() == 30
    _, leaning = place(square(), Pose(lean=0.5), 40, 60, scale=1.0)
    top, bottom = (np.flatnonzero(leaning[row] > 127).min() for row in (21, 39))
    assert (top, bottom) == (29, 20)


def test_the_outline_is_hard() -> None:
    half_through = square(alpha=60)
    _, gone = place(half_through, Pose(), 40, 60, scale=1.0)
    assert not gone.any()
    _, kept = place(square(alpha=160), Pose(), 40, 60, scale=1.0)
    assert (kept[22:, 22:38] == 255).all()


def test_motions() -> None:
    still = Choreography((), seed=0)
    assert {still.pose(t) for t in (0.0, 3.1, 20.0)} == {Pose()}
    times = np.arange(0, 40, 0.1)
    sway = [Choreography(("sway",), 0).pose(t) for t in times]
    assert 0.15 < max(p.right for p in sway) < 0.25
    assert min(p.right for p in sway) < -0.15
    assert {(p.zoom, p.lean) for p in sway} == {(1.0, 0.0)}
    lean = [Choreography(("lean",), 0).pose(t) for t in times]
    assert 0.1 < max(p.lean for p in lean) < 0.2
    zoom = [Choreography(("zoom",), 0).pose(t) for t in times]
    assert 0.9 < min(p.zoom for p in zoom) < 1 < max(p.zoom for p in zoom) < 1.3
    leave = [Choreography(("leave",), 0).pose(t).right for t in times]
    assert max(leave) == pytest.approx(2.2)
    assert 0.1 < np.mean(np.array(leave) > 2) < 0.3
    assert leave[0] == leave[100] == 0
    assert Choreography(("sway",), 1).pose(2.0) != Choreography(("sway",), 0).pose(2.0)
    assert Choreography(("sway",), 1).pose(2.0) == Choreography(("sway",), 1).pose(2.0)


def test_a_still_with_transparency_needs_no_matte(tmp_path: Path) -> None:
    square().save(tmp_path / "person.png")
    actor = Actor(tmp_path / "person.png")
    assert (actor.is_still, actor.needs_matte, actor.n_frames) == (True, False, None)
    first, second = itertools.islice(actor.pictures(None), 2)
    assert np.array_equal(first, second)
    assert np.array_equal(np.asarray(first), np.asarray(square()))


def test_a_still_without_transparency_is_cut_out_once(tmp_path: Path) -> None:
    picture = np.full((20, 20, 3), 90, np.uint8)
    picture[10:, 5:15] = RED
    Image.fromarray(picture).save(tmp_path / "person.png")
    actor = Actor(tmp_path / "person.png")
    assert actor.needs_matte
    matte = Redness()
    pictures = list(itertools.islice(actor.pictures(matte), 3))
    assert matte.calls == 1
    alpha = np.asarray(pictures[2])[..., 3]
    assert (alpha == np.where((picture == RED).all(axis=2), 255, 0)).all()


def test_footage_is_cut_out_frame_by_frame(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", numbered_frames(5))
    actor = Actor(clip)
    assert (actor.is_still, actor.needs_matte, actor.n_frames) == (False, True, 5)
    matte = Redness()
    assert len(list(actor.pictures(matte))) == 5
    assert matte.calls == 5
    # From the beginning again.
    assert len(list(actor.pictures(matte))) == 5
