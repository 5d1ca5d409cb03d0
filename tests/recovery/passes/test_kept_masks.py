"""Person masks found once for several passes: the same as those found anew, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import PROPERTY
from unveil.recovery.parameters import RecoverOptions
from unveil.recovery.passes import kept_masks
from unveil.recovery.passes.kept_masks import KeptMasks
from unveil.recovery.passes.recording import Recording
from unveil.video.chunk import Chunk, Layout

LAYOUT = Layout(180, 240, 1, 1)


class Tracker:
    """Marks random blocks, and like a tracker others where it has seen other frames before.

    The mask of a frame that is not fresh may be another one than that before, too.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.n_seen = 0
        self.last: Any = None

    def add_mask(self, chunk: Chunk, first_frame: int) -> Chunk:
        """As `Masker`."""
        fresh = np.arange(first_frame, first_frame + len(chunk)) % self.every == 0
        masks = np.empty((len(chunk), *LAYOUT.block_grid), np.uint8)
        for i in range(len(chunk)):
            fresh[i] |= self.last is None
            if fresh[i] or (first_frame + i) % 7 in (3, 4):
                rng = np.random.default_rng([self.n_seen, int(chunk.planes[0][i, 0, 0])])
                self.last = rng.integers(0, 3, LAYOUT.block_grid, np.uint8)
            self.n_seen += 1
            masks[i] = self.last
        # What is doubted, in some of the frames that are fresh.
        doubts = fresh & (np.arange(first_frame, first_frame + len(chunk)) % 5 == 0)
        doubted = (masks == 1) * (7 * doubts[:, None, None]).astype(np.uint8)
        return replace(chunk, person=masks, mask_is_fresh=fresh, doubted=doubted)


def frames(first: int, end: int) -> Chunk:
    planes = LAYOUT.empty(end - first)
    for plane in planes:
        plane[:] = np.arange(first, end, dtype=np.uint8)[:, None, None]
    return Chunk(planes, np.arange(first, end) / 25.0, LAYOUT)


def masks_of(masks: KeptMasks, borders: Sequence[int]) -> tuple[Any, Any, Any]:
    """Run a pass over chunks with these borders: masks, which of them are fresh, and doubts."""
    masks.begin()
    parts = [masks.add_mask(frames(*border), border[0]) for border in pairwise(borders)]
    person = [part.person for part in parts if part.person is not None]
    doubted = [part.doubted for part in parts if part.doubted is not None]
    fresh = np.concatenate([part.mask_is_fresh for part in parts])
    return np.concatenate(person), fresh, np.concatenate(doubted)


def anew(every: int, n_frames: int) -> tuple[Any, Any, Any]:
    chunk = Tracker(every).add_mask(frames(0, n_frames), 0)
    return chunk.person, chunk.mask_is_fresh, chunk.doubted


def assert_as_anew(found: tuple[Any, Any, Any], every: int) -> None:
    for mine, wanted in zip(found, anew(every, len(found[1])), strict=True):
        np.testing.assert_array_equal(mine, wanted)


@PROPERTY
@given(
    passes=st.lists(
        st.sets(st.integers(1, 40), min_size=1, max_size=8).map(lambda ends: [0, *sorted(ends)]),
        min_size=1,
        max_size=5,
    ),
    every=st.integers(1, 6),
)
def test_each_pass_has_the_masks_of_a_masker_of_its_own(
    passes: list[list[int]], every: int
) -> None:
    """Whatever the chunks are, and however far the passes before went."""
    made: list[Tracker] = []

    def new_masker() -> Tracker:
        made.append(Tracker(every))
        return made[-1]

    masks = KeptMasks(new_masker, LAYOUT)
    for borders in passes:
        assert_as_anew(masks_of(masks, borders), every)
    assert len(made) == 1
    assert made[0].n_seen == max(borders[-1] for borders in passes)
    masks.close()


def test_many_masks_move_to_a_file_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[IO[bytes]] = []
    real = tempfile.TemporaryFile

    def named(*args: Any, **keywords: Any) -> Any:
        opened.append(real(*args, **keywords))
        return opened[-1]

    monkeypatch.setattr(kept_masks, "MEMORY_BYTES", 10_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", named)
    masks = KeptMasks(lambda: Tracker(2), LAYOUT)
    for _ in range(2):
        assert_as_anew(masks_of(masks, [0, 10, 40]), 2)
    (file,) = opened
    file.seek(0, 2)
    assert file.tell() > 10_000
    masks.close()
    assert file.closed
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_the_file_each_pass_finds_the_masks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_masks, "MEMORY_BYTES", 10_000)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    made: list[Tracker] = []

    def new_masker() -> Tracker:
        made.append(Tracker(3))
        return made[-1]

    masks = KeptMasks(new_masker, LAYOUT)
    for borders in ([0, 4], [0, 3, 30], [0, 20, 40], [0, 40]):
        assert_as_anew(masks_of(masks, borders), 3)
    # The file failed in the second pass, which went on with the masker of the first one.
    assert [tracker.n_seen for tracker in made] == [30, 40, 40]


class Read:
    """An opened recording of 30 frames, which may end with an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def __enter__(self) -> Read:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def chunks(self) -> Any:
        """Yield two chunks, and a third one or the error."""
        yield frames(0, 16)
        yield frames(16, 24)
        if self.error is not None:
            raise self.error
        yield frames(24, 30)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), OSError("the file is gone")])
def test_a_recording_ends_with_its_file(
    monkeypatch: pytest.MonkeyPatch, threads: int, error: BaseException | None
) -> None:
    """After the last pass, Ctrl-C and an error."""
    closed: list[KeptMasks] = []
    monkeypatch.setattr("unveil.recovery.passes.recording.BlockMasker", lambda *_, **__: Tracker(4))
    really_close = KeptMasks.close

    def close(masks: KeptMasks) -> None:
        closed.append(masks)
        really_close(masks)

    monkeypatch.setattr(KeptMasks, "close", close)

    def opened() -> Any:
        return Read(error)

    def read_twice() -> int:
        n_read = 0
        with Recording(opened, LAYOUT, RecoverOptions(threads=threads)) as recording:
            for _ in range(2):
                read = list(recording.chunks())
                person = [chunk.person for chunk in read if chunk.person is not None]
                fresh = np.concatenate([chunk.mask_is_fresh for chunk in read])
                doubted = [chunk.doubted for chunk in read if chunk.doubted is not None]
                assert_as_anew((np.concatenate(person), fresh, np.concatenate(doubted)), 4)
                n_read += len(fresh)
        return n_read

    if error is None:
        assert read_twice() == 60
    else:
        with pytest.raises(type(error)):
            read_twice()
    (masks,) = closed
    assert masks._file is None
