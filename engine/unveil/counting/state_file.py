"""Files that keep a state: a header in JSON and named arrays, in an uncompressed `.npz`.

A file is read without trust: nothing is allocated before the header, the names of the arrays,
their shapes and types and the sizes in the archive agree with each other and with the size of
the file, and nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self, TypeVar, get_args

import numpy as np

from unveil._version import __version__
from unveil.arrays import Array
from unveil.counting.specification import ArraySpec, Specification, aligned_zeros
from unveil.errors import IncompatibleTable, MissingInput
from unveil.files import replacing, unwritable
from unveil.video.chunk import Colour, Layout, Matrix

FORMAT: Final = 6
"""Version of the files: it rises whenever an array's shape, type or meaning changes.

Files of version 1 had no number.
"""

HEADER: Final = ArraySpec((1 << 16,), np.uint8, variable=True)

READ_BYTES: Final = 1 << 20
"""Bytes read from a file at once."""


class Restorable(Protocol):
    """A state that can be made anew from the header and the arrays that it was saved as."""

    @classmethod
    def specification(cls, header: Mapping[str, Any]) -> Specification:
        """Return the arrays that a state with this header has; any error says it is none."""

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make the state; any error says that the values do not fit together."""


State = TypeVar("State", bound=Restorable)


def write_state(
    path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array], *, durable: bool = True
) -> None:
    """Write a state to a file, which is replaced as a whole.

    Parameters
    ----------
    path
        The file.
    header, arrays
        What `read_state` gives to the state's class.
    durable
        Whether the file is to survive a power failure. Else it is written in place, which is
        faster, for files that one process hands to another.

    Raises
    ------
    OutputUnwritable
        The file cannot be written.
    """
    encoded = json.dumps({"unveil": __version__, "format": FORMAT, **header}).encode()
    named = {"header": np.frombuffer(encoded, np.uint8), **arrays}
    if not durable:
        try:
            np.savez(path, allow_pickle=False, **named)
        except OSError as error:
            raise unwritable(path, error) from error
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **named)


def read_state(path: Path, kinds: Mapping[str, type[State]]) -> tuple[State, dict[str, Any]]:
    """Read a state that was saved, of one of these kinds by method, and its parameters.

    Raises
    ------
    MissingInput
        There is no such file.
    IncompatibleTable
        The file is not a state, is damaged, or has another version's format.
    """
    try:
        if not path.exists():
            raise MissingInput(f"{path}: no such file; name a state that was saved")
        if not path.is_file():
            raise IncompatibleTable(f"{path}: not a file; name a state that was saved")
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _read(path, archive, kinds)
    except (MissingInput, IncompatibleTable):
        raise
    except Exception as error:
        raise IncompatibleTable(
            f"{path}: not a state that this version of unveil can read ({error}); "
            "count the recording again"
        ) from error


def read_header(path: Path) -> dict[str, Any]:
    """Read the header of a state's file, of any version, and nothing else.

    Raises
    ------
    MissingInput
        There is no such file.
    IncompatibleTable
        The file is not a state, or is damaged.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _header_of(archive, {info.filename: info for info in archive.infolist()})
    except FileNotFoundError as error:
        raise MissingInput(f"{path}: no such file; name a state that was saved") from error
    except Exception as error:
        raise IncompatibleTable(f"{path}: not a state ({error}); count again") from error


def layout_of(header: Mapping[str, Any]) -> Layout:
    """Return the layout in a state's header.

    Raises
    ------
    KeyError, TypeError, ValueError
        There is none, or one that no frame can have.
    """
    fields = dict(header["layout"])
    colour = Colour(**fields.pop("colour"))
    if colour.matrix not in get_args(Matrix) or not isinstance(colour.full_range, bool):
        raise ValueError(f"unknown colour {colour}")
    for name, low in (
        ("height", 1),
        ("width", 1),
        ("chroma_shift_y", 0),
        ("chroma_shift_x", 0),
    ):
        whole_number(fields, name, low, 2 if low == 0 else 1 << 20)
    return Layout(**fields, colour=colour)


def whole_number(fields: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """Return a number from a header.

    Raises
    ------
    KeyError, ValueError
        There is none, or it is no whole number from `low` to `high`.
    """
    value = fields[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, not a whole number from {low} to {high}")
    return value


def _read(
    path: Path, archive: zipfile.ZipFile, kinds: Mapping[str, type[State]]
) -> tuple[State, dict[str, Any]]:
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise ValueError("an array occurs twice")
    header = _header_of(archive, members)
    if header.get("format") != FORMAT:
        raise IncompatibleTable(
            f"{path}: a state of format {header.get('format', 1)}, written by unveil "
            f"{header.get('unveil', '?')}; this version reads format {FORMAT}: count the "
            "recording again, or load the state with that version"
        )
    kind = kinds[header["method"]]
    specification = kind.specification(header)
    names = {_member(name) for name in ("header", *specification)}
    if set(members) != names:
        different = ", ".join(sorted(set(members) ^ names))
        raise ValueError(f"arrays are missing or not expected: {different}")
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise ValueError("the arrays are larger than the file")
    for name, spec in specification.items():
        _open_array(archive, members, name, spec)[0].close()
    arrays = {
        name: _read_array(archive, members, name, spec) for name, spec in specification.items()
    }
    return kind.restored(header, arrays), header["parameters"]


def _header_of(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, Any]:
    header = json.loads(_read_array(archive, members, "header", HEADER).tobytes())
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    return header


def _member(name: str) -> str:
    return f"{name}.npy"


def _open_array(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str, spec: ArraySpec
) -> tuple[IO[bytes], tuple[int, ...]]:
    """Open an array at its first element and return its shape, which is as specified."""
    info = members[_member(name)]
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ValueError(f"{name} is compressed")
    file = archive.open(info)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another version of NumPy's format")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran_order or not spec.allows(shape, dtype):
        raise ValueError(f"{name} has shape {shape} and type {dtype}, which does not fit")
    if math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
        raise ValueError(f"{name} is cut short or too long")
    return file, shape


def _read_array(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str, spec: ArraySpec
) -> Array:
    file, shape = _open_array(archive, members, name, spec)
    array = aligned_zeros(shape, spec.dtype)
    content = array.reshape(-1).view(np.uint8).data
    n_read = 0
    with file:
        while part := file.read(READ_BYTES):  # at the end, the checksum is compared
            content[n_read : n_read + len(part)] = part
            n_read += len(part)
    if n_read != len(content):
        raise ValueError(f"{name} is cut short")
    return array
