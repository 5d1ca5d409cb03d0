"""Method `farend` from frames to pictures: a room that leaks beside the person is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from tests.recovery.decide.leaking_call import (
    FRAMES,
    HEIGHT,
    SEARCHED_EVERY,
    WIDTH,
    Call,
    assert_same,
    right,
)
from unveil.errors import IncompatibleTable
from unveil.recovery.decide import farend
from unveil.recovery.engine import RGB, Engine
from unveil.video.chunk import Chunk, Layout

Array = npt.NDArray[Any]


# What is found


def test_the_room_is_found_where_it_leaked(call: Call) -> None:
    recovery = call.pushed().finalise()
    claimed = recovery.room[..., 3] > 0
    leaked = call.leaked >= 3
    assert right(recovery, call.room)[leaked].mean() > 0.9
    assert right(recovery, call.room)[claimed].mean() > 0.95
    assert not claimed[:25].any()
    known = recovery.background[..., 3] > 0
    assert known.mean() > 0.5
    error = recovery.background[..., :3].astype(int) - call.background
    assert np.abs(error)[known].max() <= 3
    assert recovery.report["person"] == {
        "model": "auto",
        "every": 4,
        "frames_searched": 0,
        "frames_without_person": 0,
        "frames_people_counted": 0,
        "frames_with_several_people": 0,
    }
    assert recovery.report["warnings"] == []


def test_a_leak_before_the_person_is_not_taken_from_them(call: Call) -> None:
    """Where all is the person's nothing is claimed, whatever shows there."""
    covered = Call(call.frames, np.ones_like(call.person), *[call.leaked] * 3)
    recovery = covered.pushed().finalise()
    assert recovery.recovered == 0
    assert not recovery.background[..., 3].any()
    assert not recovery.counts.room_count.any()


def test_the_metric_decides_what_is_the_background(call: Call) -> None:
    """All colours of this call are as similar as 0.9 to the background's, but not the leaks."""
    claimed = {}
    for threshold in (0.0, 0.9, 0.999):
        engine = call.pushed(metric="cosine", threshold=threshold)
        claimed[threshold] = engine.finalise().recovered
    assert claimed[0.0] == 0
    assert claimed[0.9] <= claimed[0.999]
    assert claimed[0.999] > 0.5 * (call.leaked >= 3).sum()


def test_single_samples_are_noise(call: Call) -> None:
    """But of a frame in which the person was searched one is enough."""
    for number, claimed in ((3 * SEARCHED_EVERY + 1, False), (3 * SEARCHED_EVERY, True)):
        frames = call.frames.copy()
        frames[number, :20] = (250, 250, 0)
        noisy = Call(frames, call.person, call.leaked, call.room, call.background)
        assert (noisy.pushed().finalise().room[:20, :, 3] > 0).all() == claimed
        assert (noisy.pushed().finalise().room[:20, :, 3] > 0).any() == claimed


def test_the_background_is_what_stands_still() -> None:
    """Also where the person mostly hides it; a room that leaks all the time trembles."""
    height, width, n_frames = 90, 160, 96
    rng = np.random.default_rng(5)
    background = rng.integers(90, 130, (height, width, 3), np.uint8)
    frames = np.repeat(background[None], n_frames, 0)
    leak = np.s_[:, 60:, 120:]
    frames[leak] = (200, 180, 60)
    frames[leak] += rng.integers(0, 5, frames[leak].shape, np.uint8)
    layout = Layout(height, width, 0, 0, RGB)
    person = np.zeros((n_frames, *layout.block_grid), np.uint8)
    hidden = np.s_[20:70, 30:80]
    person[np.arange(n_frames) % 24 < 16, *hidden] = 1
    green, blue, red = (np.ascontiguousarray(frames[..., c]) for c in (1, 2, 0))
    engine = Engine(height, width, method="farend")
    engine.update(Chunk((green, blue, red), np.zeros(n_frames), layout, person))
    recovery = engine.finalise()
    assert recovery.background[hidden][..., 3].all()
    assert np.array_equal(recovery.background[hidden][..., :3], background[hidden])
    assert not recovery.room[hidden][..., 3].any()
    assert not recovery.background[leak[1:]][..., 3].any()
    assert recovery.room[leak[1:]][..., 3].all()


# What must not matter


def test_threads_and_chunks_change_no_byte(call: Call) -> None:
    reference = call.pushed(FRAMES, threads=1).finalise()
    assert reference.recovered > 1000
    for threads, chunk_frames in ((1, 1), (2, 7), (3, 16)):
        assert_same(call.pushed(chunk_frames, threads=threads).finalise(), reference)


def test_finalising_in_between_changes_nothing(call: Call) -> None:
    engine = Engine(HEIGHT, WIDTH, method="farend")
    for chunk in call.chunks(16):
        engine.update(chunk)
        assert_same(engine.finalise(), engine.finalise())
    assert_same(engine.finalise(), call.pushed().finalise())


def test_a_saved_engine_goes_on_exactly(call: Call, tmp_path: Path) -> None:
    engine = Engine(
        HEIGHT, WIDTH, method="farend", person="heavy", person_every=3, slots=5, tolerance=4
    )
    for number, chunk in enumerate(call.chunks(16)):
        if number == 4:
            engine.save(tmp_path / "call.npz")
            loaded = Engine.load(tmp_path / "call.npz", threads=1)
            assert loaded.parameters.as_dict() == engine.parameters.as_dict()
            assert_same(loaded.finalise(), engine.finalise())
        if number >= 4:
            loaded.update(chunk)
        engine.update(chunk)
    assert_same(loaded.finalise(), engine.finalise())


def test_two_halves_are_merged(call: Call) -> None:
    whole = call.pushed().finalise()
    halves = [Engine(HEIGHT, WIDTH, method="farend") for _ in range(2)]
    for number, chunk in enumerate(call.chunks(16)):
        halves[number >= 5].update(chunk)
    halves[0].merge(halves[1])
    merged = halves[0].finalise()
    assert halves[0].n_frames == FRAMES
    differing = (merged.room[..., 3] > 0) != (whole.room[..., 3] > 0)
    assert differing.mean() < 0.01
    assert right(merged, call.room)[call.leaked >= 3].mean() > 0.9


def test_engines_of_other_accumulators_cannot_be_merged(call: Call) -> None:
    one, other = call.pushed(), call.pushed(method="transitions")
    with pytest.raises(IncompatibleTable, match="farend"):
        one.merge(other)
    without = call.pushed(person="none")
    with pytest.raises(IncompatibleTable, match="farend"):
        one.merge(without)


@pytest.mark.parametrize("rgb", [False, True])
def test_the_state_is_at_most_128_bytes_a_pixel(rgb: bool) -> None:
    engine = Engine(48, 64, method="farend")
    layout = Layout(48, 64) if rgb else Layout(48, 64, 1, 1)
    planes = layout.empty(2)
    for plane in planes:
        plane[...] = 90
    engine.update(Chunk(planes, np.zeros(2), layout, np.zeros((2, *layout.block_grid), np.uint8)))
    assert engine.finalise().report["state_bytes_per_pixel"] <= 128


@PROPERTY
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    reach=st.integers(0, 4),
)
def test_scatter_is_that_of_the_neighbourhood(
    seed: int, height: int, width: int, reach: int
) -> None:
    rng = np.random.default_rng(seed)
    lab = rng.uniform(-50, 100, (height, width, 3)).astype(np.float32)
    claimed = rng.random((height, width)) < 0.7
    scatter = farend._scatter(lab, claimed, reach)
    for y, x in np.ndindex(height, width):
        around = np.s_[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        rooms = lab[around][claimed[around]].astype(float)
        expected = np.sqrt(((rooms - rooms.mean(0)) ** 2).sum(1).mean()) if len(rooms) else 0.0
        assert scatter[y, x] == pytest.approx(expected, abs=1e-4)


BLUE, WALL, NEARLY_BLUE = (40, 60, 160), (200, 190, 120), (56, 84, 176)
"""A background, a room, and a room whose colour is 8 by CIEDE2000 from the background."""


def confidence_of(picture: Array, covered: tuple[Any, ...] = np.s_[:0]) -> Array:
    """Recover RGB frames (n, 180, 320, 3) before which a person sits in columns 130 to 200.

    In the frames and blocks `covered` they are elsewhere, too.
    """
    layout = Layout(*picture.shape[1:3], 0, 0, RGB)
    person = np.zeros((len(picture), *layout.block_grid), np.uint8)
    cell = layout.block_size
    person[:, :, 130 // cell : 200 // cell] = 1
    person[covered] = 1
    green, blue, red = (np.ascontiguousarray(picture[..., c]) for c in (1, 2, 0))
    engine = Engine(*picture.shape[1:3], method="farend")
    engine.update(Chunk((green, blue, red), np.zeros(len(picture)), layout, person))
    return engine.finalise().confidence


def test_only_an_even_room_that_nobody_covered_is_sure() -> None:
    """A wall that leaks beside the person is sure, a patchwork and what they covered are not."""
    rng = np.random.default_rng(3)
    picture = np.full((64, 180, 320, 3), BLUE, np.uint8)
    leak = np.arange(64) % 7 < 3
    patches = rng.integers(0, 256, (20, 27, 3), np.uint8)
    patchwork = patches.repeat(3, 0).repeat(3, 1)[:, :80]
    picture[leak, 20:80, 20:100] = WALL
    picture[leak, 20:80, 220:300] = patchwork
    picture[leak, 100:160, 20:100] = WALL
    cell = Layout(180, 320, 0, 0, RGB).block_size
    confidence = confidence_of(picture, np.s_[8:16, 96 // cell :, : 110 // cell])
    assert (confidence[28:72, 28:92] > 0.5).mean() > 0.9
    for covered in (confidence[20:80, 220:300], confidence[104:156, 24:96]):
        assert 0 < covered.max() <= 0.5


def test_what_a_codec_may_make_of_the_background_is_not_sure() -> None:
    """A colour near the background's is not, nor a leader that is nearly as still as that."""
    rng = np.random.default_rng(4)
    picture = np.full((256, 180, 320, 3), BLUE, np.uint8)
    leak = np.arange(256) % 7 < 3
    picture[leak, 20:80, 20:100] = WALL
    picture[leak, 20:80, 220:300] = NEARLY_BLUE
    moving, nearly_still = np.s_[:, 110:170, 20:100], np.s_[:, 110:170, 220:300]
    # Shares of the frames that differ from the usual colour, and so from the frame before.
    for region, changes in ((moving, 0.7), (nearly_still, 0.17)):
        shape = picture[region].shape[:3]
        changed = rng.random(shape) < changes
        picture[region] = (
            np.array(WALL) + np.where(changed, rng.choice((-4, 4), shape), 0)[..., None]
        )
    confidence = confidence_of(picture)
    for sure in (confidence[28:72, 28:92], confidence[118:162, 28:92]):
        assert (sure > 0.5).mean() > 0.9
    for unsure in (confidence[28:72, 228:292], confidence[118:162, 228:292]):
        assert (unsure > 0).mean() > 0.9
        assert (unsure > 0.5).mean() < 0.1


def test_single_pixels_are_noise(call: Call) -> None:
    """A leak covers an area; counts and times of what is dropped are dropped, too."""
    frames = call.frames.copy()
    frames[::5, 4:28:6, 4:150:6] = (230, 40, 40)
    block = np.s_[4:10, 150:156]
    frames[(slice(None, None, 5), *block)] = (230, 40, 40)
    recovery = (
        Call(frames, call.person, call.leaked, call.room, call.background).pushed().finalise()
    )
    speck = np.s_[4:28:6, 4:150:6]
    assert not recovery.room[speck].any()
    assert recovery.room[block][..., 3].all()
    counts = recovery.counts
    assert not counts.room_count[speck].any()
    assert not counts.episodes[speck].any()
    assert (counts.first_frame[speck] == -1).all()
    assert recovery.report["recovered_pixels"] == np.count_nonzero(recovery.room[..., 3])
