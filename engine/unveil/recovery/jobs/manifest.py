"""Manifests: files that list the recordings of a batch.

A text file has a path or an address per line; blank lines and lines that begin with `#` are
left out. A Parquet file has them in its column `path`; its other columns go into the catalogue.
A manifest may come from anywhere: its size is checked before it is read.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from unveil.errors import InvalidParameter
from unveil.redaction import described
from unveil.video.source import STDIN, is_path

if TYPE_CHECKING:
    import pyarrow as pa

PATH: Final = "path"
"""Column of a Parquet manifest."""

MAX_ENTRIES: Final = 100_000
MAX_BYTES: Final = 256 * 2**20
"""Of a manifest, and of the columns of one when they are unpacked."""
MAX_ENTRY_BYTES: Final = 8192
"""Of a path or an address: twice what Linux allows."""

_PARQUET_MAGIC: Final = b"PAR1"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest lists.

    Attributes
    ----------
    entries
        Paths, absolute or from the current folder, and addresses, in order.
    columns
        The further columns, a row for each entry; None for a text file.
    """

    entries: tuple[str, ...]
    columns: pa.Table | None = field(default=None, repr=False)


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Read a manifest; "-" is standard input. Relative paths begin at the manifest's folder.

    Raises
    ------
    InvalidParameter
        There is no such file, it is neither text nor Parquet, it lists nothing, or it is too
        large: more than `MAX_ENTRIES` entries, `MAX_BYTES` bytes, or `MAX_ENTRY_BYTES` in one.
    """
    text = os.fspath(path)
    name = "standard input" if text == STDIN else described(text)
    content = _content(text, name)
    if content.startswith(_PARQUET_MAGIC):
        entries, columns = _parquet(content, name)
    else:
        entries, columns = _lines(content, name), None
    if not entries:
        raise _refused(name, "lists no recording; write a path or an address per line")
    if STDIN in entries:
        raise _refused(name, "lists standard input, which no list can; give - as the INPUT")
    folder = Path() if text == STDIN else Path(text).parent
    placed = (str(folder / entry) if is_path(entry) else entry for entry in entries)
    return Manifest(tuple(placed), columns)


def _refused(name: str, what: str) -> InvalidParameter:
    return InvalidParameter(f"from_file: {name}: {what}")


def _content(text: str, name: str) -> bytes:
    try:
        if text == STDIN:
            return _bounded(sys.stdin.buffer, name)
        with Path(text).open("rb") as file:
            return _bounded(file, name)
    except AttributeError as error:
        raise _refused(name, "is closed; pipe a list into it") from error
    except FileNotFoundError as error:
        raise _refused(name, "no such file; check its name") from error
    except (OSError, ValueError) as error:  # a folder, no permission; a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(name, f"cannot be read ({reason}); name a text or Parquet file") from error


def _bounded(file: IO[bytes], name: str) -> bytes:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _refused(name, f"is larger than {MAX_BYTES // 2**20} MiB; split it")
    return content


def _lines(content: bytes, name: str) -> tuple[str, ...]:
    entries: list[str] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        stripped = line.strip(b" \t\r")
        if not stripped or stripped.startswith(b"#"):
            continue
        if len(entries) == MAX_ENTRIES:
            raise _refused(name, f"lists more than {MAX_ENTRIES} recordings; split it")
        if len(stripped) > MAX_ENTRY_BYTES:
            raise _refused(
                name, f"line {number} is longer than {MAX_ENTRY_BYTES} bytes; is it a list?"
            )
        entry = os.fsdecode(stripped)
        if _CONTROL.search(entry):
            raise _refused(name, f"line {number} has control characters; is it a text file?")
        entries.append(entry)
    return tuple(entries)


def _parquet(content: bytes, name: str) -> tuple[tuple[str, ...], pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        _check_size(file.metadata, name)
        table = file.read()
    except InvalidParameter:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise _refused(
            name, f"is a damaged Parquet file ({described(reason)}); write it again"
        ) from error
    names = table.column_names
    if names.count(PATH) != 1 or len(set(names)) != len(names):
        raise _refused(name, f"has no column {PATH!r}, or two columns of one name; rename them")
    entries = _texts(table[PATH], name)
    return entries, table.drop_columns([PATH])


def _check_size(metadata: pa.parquet.FileMetaData, name: str) -> None:
    """Refuse a file that unpacks to too much, before it is unpacked."""
    if metadata.num_rows > MAX_ENTRIES:
        raise _refused(name, f"lists more than {MAX_ENTRIES} recordings; split it")
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)
    if not 0 <= unpacked <= MAX_BYTES or min((g.total_byte_size for g in groups), default=0) < 0:
        raise _refused(name, f"unpacks to more than {MAX_BYTES // 2**20} MiB; leave columns out")


def _texts(column: pa.ChunkedArray, name: str) -> tuple[str, ...]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise _refused(name, f"column {PATH!r} holds {column.type}, not text")
    try:
        column.validate(full=True)
        texts = column.to_pylist()
    except (pa.ArrowException, ValueError) as error:
        raise _refused(name, f"column {PATH!r} is damaged; write it again") from error
    for row, text in enumerate(texts):
        if not text or _CONTROL.search(text) or len(os.fsencode(text)) > MAX_ENTRY_BYTES:
            raise _refused(name, f"row {row} of column {PATH!r} is no path or address")
    return tuple(texts)
