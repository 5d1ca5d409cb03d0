"""Files that are whole or not there: PNG, Parquet and JSON under temporary names, then renamed."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from PIL import Image

from unveil.arrays import U8
from unveil.errors import OutputUnwritable

_PNG_COMPRESSION: Final = 3
"""zlib's level: half the time of the default 6 for a few per cent more bytes."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` if all went well.

    Raises
    ------
    OutputUnwritable
        For any `OSError` of the body: no such folder, no permission, no space.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputUnwritable(
            f"{path}: cannot be written ({reason}); free some space or choose another folder"
        ) from error
    finally:
        # After the renaming, or in what is no folder, there is nothing of this name.
        with suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    OutputUnwritable
        It cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(
            f"{folder}: cannot be made a folder ({error.strerror}); choose another one"
        ) from error


def write_png(path: Path, picture: U8) -> None:
    """Write an RGB or RGBA picture, (h, w, 3) or (h, w, 4) uint8."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=_PNG_COMPRESSION)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON; numbers that JSON does not know become null."""
    with replacing(path) as temporary:
        temporary.write_text(as_json(content) + "\n", encoding="utf-8")


def as_json(content: Mapping[str, Any]) -> str:
    """Indented JSON; numbers that JSON does not know become null."""
    return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
