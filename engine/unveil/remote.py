"""Files behind addresses that fsspec opens: object stores, file servers, a process's memory.

fsspec is in the extra `remote`. What it, or the library of a store, raises becomes one of our
errors, whose addresses are shown without secrets.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from unveil.errors import MissingExtra, MissingInput, OutputUnwritable, UnreadableVideo
from unveil.redaction import described, redacted

PREFIX: Final = "fsspec+"
"""Before an address that FFmpeg could open, too: `fsspec+https://...`, and before a chain of
fsspec: `fsspec+simplecache::s3://...`."""

# fmt: off
SCHEMES: Final = frozenset({
    "abfs", "abfss", "adl", "az", "azure", "dbfs", "dropbox", "dvc", "gcs", "gdrive", "github",
    "gs", "hdfs", "hf", "jupyter", "lakefs", "memory", "oci", "oss", "s3", "s3a", "ssh", "wandb",
    "wasb", "webdav", "webhdfs",
})
"""Schemes that FFmpeg does not know and fsspec, with the library of the store, does."""
# fmt: on

BLOCK_BYTES: Final = 2**20
"""Read ahead at once; memory per open file is a small multiple of it."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_MAGIC: Final = re.compile(r"[*?[]")


def goes_through_fsspec(address: str) -> bool:
    """Whether fsspec, and not FFmpeg, opens an address."""
    match = _SCHEME.match(address)
    return address.startswith(PREFIX) or (match is not None and match[1].lower() in SCHEMES)


def is_in_this_process(address: str) -> bool:
    """Whether another process cannot read an address: fsspec's file system in memory."""
    return "memory://" in address.lower()


def expanded(address: str) -> list[str]:
    """Return the addresses that a pattern with `*`, `?` or `[...]` matches, sorted.

    An address without a pattern, and one of something that exists, is returned itself.

    Raises
    ------
    MissingExtra
        fsspec, or the library of the store, is not installed.
    MissingInput
        Nothing matches, or the store does not answer.
    """
    if not _MAGIC.search(_SCHEME.sub("", address, count=1)):
        return [address]
    name = described(address)
    with _reading(name):
        file_system, path = _resolved(address)
        if not _is_file(file_system, path):
            found = sorted(str(match) for match in file_system.glob(path))
            if not found:
                raise MissingInput(f"{name}: nothing matches; check the address and the pattern")
            prefix = PREFIX if address.startswith(PREFIX) else ""
            return [prefix + str(file_system.unstrip_protocol(match)) for match in found]
    return [address]


def open_remote(address: str, name: str, *, read_ahead: bool = True) -> RemoteFile:
    """Open a file for reading at any place, with bounded buffering.

    Parameters
    ----------
    address
        As `goes_through_fsspec` takes it.
    name
        For messages.
    read_ahead
        Read `BLOCK_BYTES` more than is asked for, and keep them for the next call.

    Raises
    ------
    MissingExtra
        fsspec, or the library of the store, is not installed.
    MissingInput
        There is no such file, or the store does not answer.
    UnreadableVideo
        It cannot be read at any place.
    """
    cache = "readahead" if read_ahead else "none"
    with _reading(name):
        file_system, path = _resolved(address)
        opened = file_system.open(path, "rb", block_size=BLOCK_BYTES, cache_type=cache)
    if not opened.seekable():
        opened.close()
        raise UnreadableVideo(
            f"{name}: can only be read from its beginning to its end; download it first"
        )
    return RemoteFile(opened, name)


def version_of(address: str, name: str) -> str:
    """Return what the store says of a file that changes with it, such as an ETag or a time.

    Raises
    ------
    MissingInput
        There is no such file, or the store does not answer.
    """
    with _reading(name):
        file_system, path = _resolved(address)
        return str(file_system.ukey(path))


class RemoteFile:
    """An open file of fsspec as PyAV takes it; errors of any store become `OSError`.

    Not thread-safe. It is closed with its last user.

    Attributes
    ----------
    size
        Bytes.
    """

    def __init__(self, opened: Any, name: str) -> None:
        self._opened = opened
        self._name = name
        self.size = self._size()

    def _size(self) -> int:
        with _reading(self._name):
            end = int(self._opened.seek(0, io.SEEK_END))
            self._opened.seek(0)
            return end

    def read(self, n_bytes: int = -1) -> bytes:
        """Read at most so many bytes; none at the end."""
        try:
            return bytes(self._opened.read(n_bytes))
        except Exception as error:
            raise OSError(f"{self._name}: {_reason(error)}") from error

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        try:
            return int(self._opened.seek(offset, whence))
        except Exception as error:
            raise OSError(f"{self._name}: {_reason(error)}") from error

    def tell(self) -> int:
        """Return the place."""
        return int(self._opened.tell())

    def close(self) -> None:
        """Close the file."""
        with suppress(Exception):
            self._opened.close()

    def __enter__(self) -> Self:
        """Return the file, which is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def __del__(self) -> None:
        """Close the file: PyAV does not."""
        self.close()


class RemoteFolder:
    """A folder behind an address that gets results.

    Raises
    ------
    MissingExtra
        fsspec, or the library of the store, is not installed.
    OutputUnwritable
        The address is not valid.
    """

    def __init__(self, address: str) -> None:
        self.name = described(address)
        with self._writing():
            self._file_system, path = _resolved(address)
            self._path = path.rstrip("/")

    def read(self, place: str, max_bytes: int) -> bytes | None:
        """Return a file's content; None if there is no such file, or it is longer."""
        with self._writing(), suppress(FileNotFoundError):  # it may be removed meanwhile
            path = f"{self._path}/{place}"
            if _is_file(self._file_system, path) and self._file_system.size(path) <= max_bytes:
                return bytes(self._file_system.cat_file(path))
        return None

    def names(self, place: str) -> list[str]:
        """Return the names in a folder; none if there is no such folder."""
        with self._writing(), suppress(FileNotFoundError):  # it may be removed meanwhile
            path = f"{self._path}/{place}"
            self._file_system.invalidate_cache(path)  # others write there, too
            if self._file_system.isdir(path):
                found = self._file_system.ls(path, detail=False)
                return sorted(str(one).rstrip("/").rpartition("/")[2] for one in found)
        return []

    def remove(self, place: str) -> None:
        """Remove a file if there is one."""
        with self._writing(), suppress(FileNotFoundError):  # it may be removed meanwhile
            path = f"{self._path}/{place}"
            if _is_file(self._file_system, path):
                self._file_system.rm_file(path)

    def remove_folder(self, place: str) -> None:
        """Remove a folder with its files, if there is one."""
        with self._writing(), suppress(FileNotFoundError):  # it may be removed meanwhile
            path = f"{self._path}/{place}"
            if self._file_system.isdir(path):
                self._file_system.rm(path, recursive=True)

    def put(self, local: Path, place: str) -> None:
        """Copy a file to a place below the folder."""
        with self._writing():
            path = f"{self._path}/{place}"
            self._file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._file_system.put_file(os.fspath(local), path)

    def write(self, place: str, content: bytes) -> None:
        """Write a small file at a place below the folder."""
        with self._writing():
            path = f"{self._path}/{place}"
            self._file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._file_system.pipe_file(path, content)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (MissingExtra, OutputUnwritable):
            raise
        except Exception as error:
            raise OutputUnwritable(
                f"{self.name}: cannot be written ({_reason(error)}); check the address and its "
                "permissions"
            ) from error


def _resolved(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(
            f"{described(address)}: fsspec is not installed; install the extra: "
            "pip install 'unveil[remote]'"
        ) from error
    try:
        file_system, path = url_to_fs(address.removeprefix(PREFIX))
    except ImportError as error:  # such as s3fs
        raise MissingExtra(
            f"{described(address)}: the library of this store is not installed ({_reason(error)})"
        ) from error
    return file_system, str(path)


def _is_file(file_system: Any, path: str) -> bool:
    try:
        return str(file_system.info(path)["type"]) == "file"
    except FileNotFoundError:
        return False


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (MissingExtra, MissingInput):
        raise
    except FileNotFoundError as error:
        raise MissingInput(f"{name}: no such file; check the address") from error
    except Exception as error:
        raise MissingInput(
            f"{name}: cannot be opened ({_reason(error)}); check the address and its permissions"
        ) from error


def _reason(error: BaseException) -> str:
    text = " ".join(redacted(str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
