"""The catalogue of a batch: a Parquet file with a row for each recording."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from unveil._version import __version__
from unveil.errors import InvalidParameter, OutputExists
from unveil.files import is_there, make_folder, replacing
from unveil.recovery.jobs.job import FurtherColumn, FurtherFiles
from unveil.recovery.jobs.outcome import DONE, Outcome

MARK: Final = b"unveil_catalogue"
"""Key of the file's metadata; its value is the version of unveil."""

PREFIX: Final = "manifest_"
"""Before a manifest's column that has the name of one of the catalogue's own."""

_COLUMNS: Final[tuple[tuple[str, pa.DataType, str, str], ...]] = (
    ("number", pa.int64(), "1", "Position of the recording among the inputs, from 0"),
    ("name", pa.string(), "1", "Name of the input"),
    ("status", pa.string(), "1", "As in recover --json"),
    ("error", pa.string(), "1", "Why it failed"),
    ("folder", pa.string(), "1", "Folder of the result in OUT"),
    ("method", pa.string(), "1", "Method that found the room"),
    ("frames", pa.int64(), "frame", "Frames read"),
    ("seconds", pa.float64(), "second", "Time from the first to the last counted frame"),
    ("wall_seconds", pa.float64(), "second", "Wall time, writing included"),
    ("coverage", pa.float64(), "1", "Share of the pixels that were recovered"),
    ("warnings", pa.list_(pa.string()), "1", "What a user should know"),
    ("version", pa.string(), "1", "Version of unveil that made the result"),
    ("parameters_hash", pa.string(), "1", "Hash of the parameters"),
    ("content_hash", pa.string(), "1", "Hash of the input's content"),
    ("manifest_row", pa.int64(), "1", "Row in the manifest, from 0"),
)

OWN: Final = tuple(name for name, *_ in _COLUMNS)
"""Names of the columns that every catalogue has, in order."""

_MAX_PENDING: Final = 512
"""Rows in memory at most before the file is written again."""
_MIN_SECONDS: Final = 2.0
_MAX_SHARE: Final = 0.02
"""Share of the time that may be spent on writing the file again."""
_COPIED_ROWS: Final = 4096
"""Rows copied at once, and in a row group."""


class Catalogue:
    """Writes the catalogue while a batch goes on; use it as a context manager.

    The file is replaced as a whole: it is readable at any instant. New rows wait in memory, at
    most `_MAX_PENDING`, until it is time to write; then the earlier rows are copied from the file
    in pieces of `_COPIED_ROWS`. So memory does not grow with the batch. Not thread-safe.

    Parameters
    ----------
    path
        The file.
    manifest
        Columns that are kept, a row for each `manifest_row`; None: none.
    further
        Files beside the recoveries that have columns of their own.
    force
        Replace a file that is no catalogue.

    Raises
    ------
    OutputExists
        There is a file that is no catalogue.
    InvalidParameter
        Columns of the manifest have names or types that a catalogue cannot have.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        manifest: pa.Table | None = None,
        further: FurtherFiles | None = None,
        force: bool = False,
    ) -> None:
        self._path = Path(path)
        self._further = further
        if not force and is_there(self._path) and not is_catalogue(self._path):
            raise OutputExists(
                f"{self._path}: is no catalogue of unveil; choose another name, or --force to "
                "replace it"
            )
        own = _COLUMNS if further is None else (*_COLUMNS, *map(_column, further.columns))
        self._own = [name for name, *_ in own]
        self._manifest = None if manifest is None else _kept(manifest, self._own)
        self._schema = _schema(own, self._manifest)
        self._pending: list[dict[str, Any]] = []
        self._begun = False
        self._written_at = time.monotonic()
        self._cost_seconds = 0.0

    def __enter__(self) -> Self:
        """Return the catalogue; there is no file of this run yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the rows that wait, also after an error."""
        if self._pending or not self._begun:
            self.write()

    def add(self, outcome: Outcome, manifest_row: int | None = None) -> None:
        """Add the row of a recording, and write the file if it is time.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        row = _row(outcome, manifest_row)
        if self._further is not None and outcome.state in DONE and outcome.folder is not None:
            row |= self._further.row(outcome.folder)
        self._pending.append(row)
        since = time.monotonic() - self._written_at
        due = since >= max(_MIN_SECONDS, self._cost_seconds / _MAX_SHARE)
        if due or not self._begun or len(self._pending) >= _MAX_PENDING:
            self.write()

    def write(self) -> None:
        """Write all rows so far.

        Raises
        ------
        OutputUnwritable
            The file cannot be written.
        """
        started = time.monotonic()
        make_folder(self._path.parent)
        with (
            replacing(self._path) as temporary,
            pq.ParquetWriter(temporary, self._schema, compression="zstd") as writer,
        ):
            if self._begun:
                with pq.ParquetFile(self._path) as earlier:
                    for batch in earlier.iter_batches(_COPIED_ROWS):
                        writer.write_batch(batch, row_group_size=_COPIED_ROWS)
            if self._pending:
                writer.write_table(self._table())
        self._pending.clear()
        self._begun = True
        self._written_at = time.monotonic()
        self._cost_seconds = self._written_at - started

    def _table(self) -> pa.Table:
        columns = {
            name: pa.array([row.get(name) for row in self._pending], self._schema.field(name).type)
            for name in self._own
        }
        if self._manifest is not None:
            taken = self._manifest.take(columns["manifest_row"])
            columns |= {name: taken[name] for name in taken.column_names}
        return pa.table([columns[name] for name in self._schema.names], schema=self._schema)


def is_catalogue(path: Path) -> bool:
    """Whether a file is a catalogue."""
    try:
        metadata = pq.read_schema(path).metadata
    except (pa.ArrowException, OSError, ValueError):
        return False
    return MARK in (metadata or {})


def _column(further: FurtherColumn) -> tuple[str, pa.DataType, str, str]:
    return further.name, pa.type_for_alias(further.kind), further.unit, further.meaning


def _schema(
    own: Sequence[tuple[str, pa.DataType, str, str]], manifest: pa.Table | None
) -> pa.Schema:
    fields = [
        pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
        for name, kind, unit, meaning in own
    ]
    if manifest is not None:
        fields += [field.with_nullable(True) for field in manifest.schema]
    return pa.schema(fields, metadata={MARK: __version__})


def _kept(manifest: pa.Table, own: Sequence[str]) -> pa.Table:
    """Return the columns of a manifest under names that the catalogue does not have.

    Raises
    ------
    InvalidParameter
        Two have one name then, or Parquet cannot hold one.
    """
    names = [f"{PREFIX}{name}" if name in own else name for name in manifest.column_names]
    if len({*names, *own}) != len(names) + len(own):
        raise InvalidParameter(
            f"from_file: two columns would have one name in the catalogue; rename those that "
            f"begin with {PREFIX}"
        )
    renamed = manifest.rename_columns(names)
    try:
        # Tried before the batch begins: one row, and a missing one.
        rows = renamed.slice(0, 1).take(pa.array([0, None] if len(renamed) else [], pa.int64()))
        pq.write_table(rows, pa.BufferOutputStream())
    except (pa.ArrowException, ValueError, IndexError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise InvalidParameter(
            f"from_file: a column cannot be kept in the catalogue ({reason}); leave it out"
        ) from error
    return renamed


def _row(outcome: Outcome, manifest_row: int | None) -> dict[str, Any]:
    report = outcome.report
    warnings: Sequence[str] = report.get("warnings") or outcome.notes
    return {
        "number": outcome.number,
        "name": outcome.name,
        "status": outcome.state,
        "error": outcome.problem,
        "folder": outcome.stem if report else None,
        "method": report.get("decided_by"),
        "frames": report.get("frames_read"),
        "seconds": outcome.video_seconds,
        "wall_seconds": outcome.wall_seconds,
        "coverage": report.get("coverage"),
        "warnings": [str(warning) for warning in warnings],
        "version": report.get("unveil"),
        "parameters_hash": report.get("parameters_hash"),
        "content_hash": report.get("content_hash"),
        "manifest_row": manifest_row,
    }
