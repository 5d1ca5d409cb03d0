"""What a result was made from: hashes of the content and of the parameters.

A result that was made from the same content, with the same parameters and by the same version is
not made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from unveil._version import __version__
from unveil.files import BACKGROUND, ROOM, is_there
from unveil.recovery.parameters import RecoverOptions, TilesArgument
from unveil.recovery.result import REPORT, STATS
from unveil.video.crop import Crop
from unveil.video.source import Source

if TYPE_CHECKING:
    from unveil.recovery.background.picture import Background
    from unveil.remote import RemoteFile

WHOLE_BYTES: Final = 256 * 2**20
"""Files up to this size are hashed as a whole, which takes a fraction of a second."""

WHOLE_REMOTE_BYTES: Final = 8 * 2**20
"""The same of files that fsspec opens, which are read over a network."""

SAMPLES, SAMPLE_BYTES = 64, 64 * 1024
"""Of a larger file: so many samples at equal distances, the first and the last bytes included."""

_BLOCK_BYTES: Final = 2**20
_MAX_REPORT_BYTES: Final = 64 * 2**20
_NO_EFFECT: Final = frozenset({"threads", "chunk_frames"})
"""Options that change no result."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a result is made from.

    Attributes
    ----------
    content
        As `content_hash` returns it; None if the input cannot be read twice.
    parameters
        As `parameters_hash` returns it.
    """

    content: str | None
    parameters: str

    def as_fields(self) -> dict[str, str | None]:
        """Return the fields of report.json."""
        return {"content_hash": self.content, "parameters_hash": self.parameters}

    def difference(self, report: Mapping[str, Any]) -> str | None:
        """Say in what an earlier result differs; None if it need not be made again."""
        if self.content is None:
            return "of an input that cannot be compared"
        if "content_hash" not in report:
            return "without the hash of its input"
        if report["content_hash"] != self.content:
            return "of another recording"
        if report.get("parameters_hash") != self.parameters:
            return "with other parameters"
        if report.get("unveil") != __version__:
            return "of another version"
        return "of a part of the recording" if report.get("interrupted") else None


def content_hash(source: Source) -> str | None:
    """Hash the bytes of an input.

    Returns
    -------
    hash
        "sha256:..." of all bytes of a file of up to `WHOLE_BYTES` (`WHOLE_REMOTE_BYTES` if
        fsspec opens it), and of all numbered pictures.
        Of a larger file "sha256-sampled:..." of its size, its time of modification (or what
        fsspec says of its version) and `SAMPLES` samples: a change between the samples that
        keeps size and time is not seen, and a copy with another time counts as another file.
        None for what cannot be read twice: a device, a pipe, an address that FFmpeg opens.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if source.sequence is not None:
        digest = hashlib.sha256()
        for picture in source.pictures():
            digest.update(hashlib.sha256(picture.read_bytes()).digest())
        return f"sha256:{digest.hexdigest()}"
    if source.through_fsspec:
        from unveil.remote import open_remote, version_of

        with open_remote(source.url, source.name, read_ahead=False) as file:
            size, version = file.size, partial(version_of, source.url, source.name)
            return _hash_of(file, size, version, WHOLE_REMOTE_BYTES)
    path = source.path
    if path is None or not path.is_file():
        return None
    with path.open("rb") as local:
        status = os.fstat(local.fileno())
        return _hash_of(local, status.st_size, lambda: str(status.st_mtime_ns), WHOLE_BYTES)


def _hash_of(
    file: IO[bytes] | RemoteFile, size: int, version: Callable[[], str], whole_bytes: int
) -> str:
    if size <= whole_bytes:
        return f"sha256:{_digest(_blocks(file))}"
    digest = hashlib.sha256(f"{size} {version()}".encode())
    for number in range(SAMPLES):
        file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
        digest.update(file.read(SAMPLE_BYTES))
    return f"sha256-sampled:{digest.hexdigest()}"


def _blocks(file: IO[bytes] | RemoteFile) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block


def _digest(blocks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def parameters_hash(options: RecoverOptions, tiles: TilesArgument) -> str:
    """Hash all options that can change a result; of a picture its content, not its name.

    Raises
    ------
    OSError
        The picture cannot be read.
    """
    chosen: dict[str, Any] = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in _NO_EFFECT
    }
    chosen |= options.parameters.as_dict() | {"tiles": tiles}
    chosen["background"] = _picture_hash(options.background)
    if options.crop is not None:
        chosen["crop"] = asdict(Crop.of(options.crop))
    text = json.dumps(chosen, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _picture_hash(background: Background | None) -> str | None:
    if background is None:
        return None
    if isinstance(background, np.ndarray):
        shape = f"{background.shape} {background.dtype}".encode()
        return hashlib.sha256(shape + np.ascontiguousarray(background).tobytes()).hexdigest()
    with Path(background).open("rb") as file:
        return _digest(_blocks(file))


def finished_report(folder: Path) -> dict[str, Any] | None:
    """Return the report of a complete result in a folder; None if there is none."""
    files = [ROOM, BACKGROUND, STATS]
    path = folder / REPORT
    try:
        if path.stat().st_size > _MAX_REPORT_BYTES:
            return None
        report = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(report, dict):
        return None
    places = [folder]
    if isinstance(tiles := report.get("tiles"), list):
        names = [tile.get("folder") for tile in tiles if isinstance(tile, dict)]
        places = [folder / name for name in names if isinstance(name, str)]
    complete = all(is_there(place / name) for place in places for name in files)
    return report if complete else None
