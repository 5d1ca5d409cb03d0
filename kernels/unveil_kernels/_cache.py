"""Compiled kernels on disk: Numba's cache, with entries that cannot be stale, mixed up or damaged.

Numba compiles a kernel's callees into it, but compares a cached kernel only with the file that
the kernel itself is defined in: after an edit of a callee in another file it would run the old
code. It also fails for ever on an entry that was cut short, and two processes that write at
once can exchange their entries. `KernelCache` keeps Numba's choice of folder, its keys and its
serialisation, and replaces the files:

- One file an entry, named after a stamp over all kernel sources and a digest of the key, so
  that processes which write at once write the same file or different ones.
- A file begins with a digest of the rest. What does not match is deleted and compiled again.
- A kernel that cannot be stored is compiled again in the next process; nothing fails.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import secrets
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, Final

import llvmlite
import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

logger = logging.getLogger(__name__)

DIGEST_BYTES: Final = 16
"""Length of the digest that a file begins with."""


class KernelCache(FunctionCache):
    """The cache of one kernel's machine code, an entry for each signature and processor.

    Uses of Numba's: `FunctionCache` sets `_impl` (with `locator` and `filename_base`),
    `cache_path` and `_cache_file`, of which it calls `load(key)`, `save(key, data)` and
    `flush()`.

    Raises
    ------
    RuntimeError
        No folder for the cache can be written, or the package's sources cannot be read.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        own_file = self._impl.locator.get_source_stamp()
        sources = _own_sources()
        stamp = _digest(repr((numba.__version__, llvmlite.__version__, own_file, sources)).encode())
        files: Any = EntryFiles(Path(self.cache_path), self._impl.filename_base, stamp.hex())
        self._cache_file = files

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled signature, if that is possible."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            logger.info("%s: compiled code is not kept (%s)", self.cache_path, error)


class EntryFiles:
    """The files of one kernel's entries in a folder.

    Parameters
    ----------
    folder
        Where the files are.
    name
        What the names of this kernel's files begin with.
    stamp
        Names the state of the sources. Files of another one are deleted when a file is written.
    """

    def __init__(self, folder: Path, name: str, stamp: str) -> None:
        self._folder = folder
        self._name = name
        self._stamp = stamp

    def load(self, key: Hashable) -> Any:
        """Return what was saved under a key, or None where there is nothing sound."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, pickled = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if _digest(pickled) != digest:
            logger.info("%s: damaged, compiling again", path)
            with suppress(OSError):
                path.unlink()
            return None
        stored_key, data = pickle.loads(pickled)
        return data if stored_key == key else None

    def save(self, key: Hashable, data: Any) -> None:
        """Store data under a key.

        Raises
        ------
        OSError
            The file cannot be written; one that was there before stays as it is.
        """
        path = self._path(key)
        pickled = dumps((key, data))
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            temporary.write_bytes(_digest(pickled) + pickled)
            temporary.replace(path)
        finally:
            with suppress(OSError):  # after the renaming it does not exist
                temporary.unlink()
        self._delete(lambda found: not found.name.startswith(f"{self._name}.{self._stamp}."))

    def flush(self) -> None:
        """Delete all entries."""
        self._delete(lambda found: True)

    def _path(self, key: Hashable) -> Path:
        return self._folder / f"{self._name}.{self._stamp}.{_digest(repr(key).encode()).hex()}.nbc"

    def _delete(self, chosen: Callable[[Path], bool]) -> None:
        for found in self._folder.glob(f"{escape(self._name)}.*"):
            if chosen(found):
                with suppress(OSError):
                    found.unlink()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def digest_of_sources(package: Path) -> str:
    """Digest of all Python files of a package, names and contents.

    Raises
    ------
    RuntimeError
        There are none.
    """
    paths = sorted(package.rglob("*.py"))
    if not paths:
        raise RuntimeError(f"{package}: holds no sources, so nothing says whether code is stale")
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def _own_sources() -> str:
    return digest_of_sources(Path(__file__).parent)
