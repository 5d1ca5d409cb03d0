"""Checkpoints of a long count: what was merged so far, in two generations of one file.

A kill or a power failure at any instant leaves at least the older generation. A checkpoint is
used only by the same version for the same recording and parameters.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

from unveil._version import __version__
from unveil.arrays import Array
from unveil.counting.specification import Specification
from unveil.counting.state_file import FORMAT, read_header, read_state, write_state
from unveil.errors import IncompatibleTable, MissingInput, OutputUnwritable, explain
from unveil.files import make_folder
from unveil.recovery.passes.counting import Counting
from unveil.recovery.segments.count import SegmentTask
from unveil.recovery.segments.fold import Fold
from unveil.recovery.segments.state import SavedState
from unveil.tiles.model import Showing

logger = logging.getLogger(__name__)

KIND: Final = "checkpoint"
"""Field `method` of the files' headers."""

GENERATIONS: Final = ("a.npz", "b.npz")
"""Names of the files: the older one is replaced."""

MIN_SECONDS: Final = 30.0
"""Shortest time from one checkpoint to the next."""

MAX_SHARE: Final = 0.02
"""Largest share of the time that writing them may take: a slow disk gets fewer."""

_PARTS: Final = ("total", "group")
_SAMPLE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class _Saved:
    """A `Fold` as a file has it."""

    total: SavedState | None
    group: SavedState | None

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a checkpoint with this header has; any error says it is none."""
        return {
            f"{part}_{name}": spec
            for part in _PARTS
            if header[part] is not None
            for name, spec in SavedState.specification(header[part]).items()
        }

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the fold; any error says that the values do not fit together."""
        states = []
        for part in _PARTS:
            own = {
                name.removeprefix(f"{part}_"): array
                for name, array in arrays.items()
                if name.startswith(f"{part}_")
            }
            stored = header[part]
            states.append(None if stored is None else SavedState.restored(stored, own))
        return cls(*states)


class Checkpoint:
    """The checkpoint of one count, in a folder of its own.

    Parameters
    ----------
    folder
        Made when the first checkpoint is written.
    identity
        What is counted, from `identity_of`.
    note
        Called with a line for the user.

    Attributes
    ----------
    seconds
        Wall time of writing so far.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], note: Callable[[str], object]
    ) -> None:
        self._folder = folder
        self._identity = dict(identity)
        self._note = note
        self._next = GENERATIONS[0]
        self._last_end = time.monotonic()
        self._last_seconds = 0.0
        self.seconds = 0.0
        self._failed = False

    def load(self, new_countings: Callable[[], tuple[Counting, ...]]) -> Fold:
        """Return what an interrupted count has merged, an empty fold if that cannot be used."""
        problems: list[str] = []
        for name, header in self._generations(problems):
            differences = [key for key in self._identity if header.get(key) != self._identity[key]]
            if differences:
                problems.append(f"is of another {', '.join(differences)}")
                continue
            try:
                saved, _ = read_state(self._folder / name, {KIND: _Saved})
                total, group = (
                    None if part is None else part.resumed(new_countings())
                    for part in (saved.total, saved.group)
                )
            except (IncompatibleTable, MissingInput) as error:
                logger.debug("checkpoint %s: %s", name, error)
                problems.append("is damaged")
                continue
            if problems:
                self._note(f"one checkpoint {problems[0]}; the other one is used")
            self._next = next(other for other in GENERATIONS if other != name)
            return Fold(total, group)
        if problems:
            self._note(f"the checkpoint {'; '.join(dict.fromkeys(problems))}: counting starts anew")
        return Fold()

    def _generations(self, problems: list[str]) -> list[tuple[str, dict[str, Any]]]:
        """Return the files that have a header, with it, the newest first."""
        found = []
        for name in GENERATIONS:
            try:
                found.append((name, read_header(self._folder / name)))
            except MissingInput:
                continue
            except IncompatibleTable:
                problems.append("is damaged")
        return sorted(found, key=lambda one: -_n_segments(one[1]))

    def write_if_due(self, fold: Fold) -> None:
        """Write a checkpoint unless the last one is recent, or writing takes too long."""
        due = max(MIN_SECONDS, self._last_seconds / MAX_SHARE)
        if time.monotonic() - self._last_end >= due:
            self.write(fold)

    def write(self, fold: Fold) -> None:
        """Write a checkpoint; a failure is noted, and the count goes on."""
        if fold.n_segments == 0:
            return
        before = time.monotonic()
        parameters = self._identity["parameters"]
        header: dict[str, Any] = {"method": KIND, **self._identity}
        arrays: dict[str, Array] = {}
        for part, state in zip(_PARTS, (fold.total, fold.group), strict=True):
            saved = None if state is None else SavedState.of(state)
            header[part] = None if saved is None else saved.header(parameters)
            if saved is not None:
                arrays |= {f"{part}_{name}": array for name, array in saved.stored.items()}
        try:
            make_folder(self._folder)
            write_state(self._folder / self._next, header, arrays)
        except OutputUnwritable as error:
            if not self._failed:
                self._note(f"no checkpoint: {explain(error)}")
            self._failed = True
        else:
            self._next = next(other for other in GENERATIONS if other != self._next)
        self._last_end = time.monotonic()
        self._last_seconds = self._last_end - before
        self.seconds += self._last_seconds


def identity_of(task: SegmentTask, digest: str, n_segments: int) -> dict[str, Any]:
    """Return what two counts must have in common to go on with each other's checkpoints.

    Neither a path nor an address is part of it.

    Parameters
    ----------
    task
        What is counted and how; its source is a file.
    digest
        Of the recording's packets, as `PacketIndex.digest`.
    n_segments
        Number of segments.
    """
    options, path = task.options, task.source.path
    assert path is not None  # only files are cut
    sample = hashlib.sha256(digest.encode())
    size = path.stat().st_size
    with path.open("rb") as file:
        sample.update(file.read(_SAMPLE_BYTES))
        with suppress(OSError):  # a shorter file
            file.seek(-_SAMPLE_BYTES, os.SEEK_END)
        sample.update(file.read(_SAMPLE_BYTES))
    return {
        "version": f"{__version__}, format {FORMAT}",
        "parameters": options.parameters.as_dict(),
        "selection": {
            "start_seconds": options.start_seconds,
            "end_seconds": options.end_seconds,
            "stride": options.stride,
            "stream": options.stream,
            "crop": None if options.crop is None else str(options.crop),
            "tiles": _tiles_digest(task.tiles),
            "segments": n_segments,
        },
        "recording": {"bytes": size, "sha256": sample.hexdigest()},
    }


def _tiles_digest(tiles: Iterable[Iterable[Showing]]) -> str:
    """Return what tells the tiles of a recording from others."""
    digest = hashlib.sha256()
    for showing in chain.from_iterable((*tile, None) for tile in tiles):
        digest.update(repr(showing).encode())  # not the reference, which has no representation
        if showing is not None and showing.reference is not None:
            digest.update(showing.reference.level.tobytes())
            digest.update(showing.reference.steady.tobytes())
    return digest.hexdigest()


def _n_segments(header: Mapping[str, Any]) -> int:
    """Return how many segments a header says were merged, 0 if it does not say it."""
    try:
        parts = [header[part] for part in _PARTS if header[part] is not None]
        return sum(int(part["n_segments"]) for part in parts)
    except (KeyError, TypeError, ValueError):
        return 0
