"""Files that keep a state: a header in JSON and named arrays, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from unveil._version import __version__
from unveil.arrays import Array
from unveil.errors import IncompatibleTable, MissingInput
from unveil.files import replacing
from unveil.video.chunk import Colour, Layout


class Restorable(Protocol):
    """What can be made anew from the header and the arrays that it was saved as."""

    @classmethod
    def restored(cls, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Make it; any error says that they are not those of such a state."""


State = TypeVar("State", bound=Restorable)


def write_state(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a state to a file, which is replaced as a whole.

    Raises
    ------
    OutputUnwritable
        The file cannot be written.
    """
    told = json.dumps({"unveil": __version__, **header}).encode()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, header=np.frombuffer(told, np.uint8), **arrays)


def read_state(path: Path, kinds: Mapping[str, type[State]]) -> tuple[State, dict[str, Any]]:
    """Read a state that was saved, of one of these kinds by method, and its parameters.

    Raises
    ------
    MissingInput
        There is no such file.
    IncompatibleTable
        The file is not one, or of another version's form.
    """
    try:
        # NumPy leaves a file that is no archive open: we close it.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            arrays = {name: stored[name] for name in stored.files if name != "header"}
        return kinds[header["method"]].restored(header, arrays), header["parameters"]
    except FileNotFoundError as error:
        raise MissingInput(f"{path}: no such file; name a state that was saved") from error
    except Exception as error:
        raise IncompatibleTable(
            f"{path}: not a state that this version of unveil can read ({error})"
        ) from error


def layout_of(header: Mapping[str, Any]) -> Layout:
    """Return the layout that a state's header tells."""
    fields = dict(header["layout"])
    return Layout(**fields | {"colour": Colour(**fields["colour"])})
