"""Reading of images, and atomic writing of files under a temporary name that is then renamed."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageOps

from unveil.arrays import U8
from unveil.errors import MissingInput, OutputUnwritable, UnreadableImage
from unveil.interruption import before_abort

if TYPE_CHECKING:
    from os import PathLike

ROOM, BACKGROUND = "room.png", "background.png"
"""The two pictures in the folder of a recovery."""

_PNG_COMPRESSION: Final = 3
"""zlib level; it takes half the time of the default 6 for a few per cent more bytes."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the body succeeds.

    Raises
    ------
    OutputUnwritable
        The body raised an `OSError`: no such folder, no permission, no space.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with before_abort(temporary.unlink):
            yield temporary
            temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputUnwritable(
            f"{path}: cannot be written ({reason}); free some space or choose another folder"
        ) from error
    finally:
        # The file is missing after the rename, or if its folder is none.
        with suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises
    ------
    OutputUnwritable
        The folder cannot be made, or a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"{folder}: cannot be made a folder ({error.strerror}); choose another one"
        ) from error


@contextmanager
def result_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; remove those made here that are empty after the block.

    Raises
    ------
    OutputUnwritable
        The folder cannot be made, or a file has its name.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]

    def remove_empty() -> None:
        for path in made:
            with suppress(OSError):  # it holds a result
                path.rmdir()

    with before_abort(remove_empty):
        try:
            make_folder(folder)
            yield
        finally:
            remove_empty()


@contextmanager
def removed_unless_complete(*paths: Path) -> Iterator[None]:
    """Remove files if the block fails or a second signal ends it: one makes no result alone."""

    def remove() -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink()

    with before_abort(remove):
        try:
            yield
        except BaseException:
            remove()
            raise


def read_image(path: str | PathLike[str]) -> U8:
    """Read an image as uint8 RGB of shape (h, w, 3), or RGBA of shape (h, w, 4).

    An EXIF orientation is applied.

    Raises
    ------
    MissingInput
        There is no such file.
    UnreadableImage
        The file is not an image of 8 bits a channel.
    """
    if not Path(path).exists():
        raise MissingInput(f"{path}: no such file")
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise UnreadableImage(f"{path}: has more than 8 bits a channel; convert it first")
            oriented = ImageOps.exif_transpose(image)
            mode = "RGBA" if oriented.has_transparency_data else "RGB"
            return np.array(oriented.convert(mode))
    except UnreadableImage:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"{path}: is not an image that can be read ({error})") from error


def write_png(path: Path, picture: U8) -> None:
    """Write an RGB or RGBA picture, (h, w, 3) or (h, w, 4) uint8."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=_PNG_COMPRESSION)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON; NaN and infinite numbers become null."""
    with replacing(path) as temporary:
        # A name that is not UTF-8 has lone surrogates, which are escaped.
        temporary.write_bytes((as_json(content) + "\n").encode(errors="backslashreplace"))


def as_json(content: Mapping[str, Any]) -> str:
    """Format as indented JSON; NaN and infinite numbers become null."""
    return json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Replace every float that is NaN or infinite, at any depth, by None: JSON has no such number.

    Mappings become dicts, lists and tuples become lists.
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
