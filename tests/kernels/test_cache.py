"""The on-disk cache of compiled kernels: stale, damaged, mixed-up and unwritable files."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numba.core import caching
from numba.core.dispatcher import Dispatcher

import unveil_kernels
from tests.clips import WITHOUT_JIT
from unveil_kernels._cache import DIGEST_BYTES, EntryFiles, KernelCache, digest_of_sources
from unveil_kernels._jit import kernel

CALLEE = """
from unveil_kernels._jit import inlined, kernel

@inlined
def step(value):
    return value + 1

@kernel
def add(value):
    return value + 10
"""

CALLER = """
from unveil_kernels import _callee
from unveil_kernels._jit import kernel

@kernel
def both(value):
    return _callee.add(_callee.step(value))
"""

PROGRAM = """
from unveil_kernels._caller import both

result = both(100)
assert both(0.5) == result - 99.5
print(result, sum(both.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Copy the package and add two files, of which one calls kernels of the other."""
    source = Path(unveil_kernels.__file__).parent
    package = tmp_path / "unveil_kernels"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "_callee.py").write_text(CALLEE)
    (package / "_caller.py").write_text(CALLER)
    return package


def start(package: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name[:6] != "NUMBA_"}
    environment |= {"PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(cache_of(package))}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Return the result and how many signatures of the caller came from the cache."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert not stderr
    result, hits = stdout.split()
    return int(result), int(hits)


def cache_of(package: Path) -> Path:
    return package.parent / "cache"


def entries(package: Path) -> list[Path]:
    return sorted(path for path in cache_of(package).rglob("*") if path.is_file())


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_last_byte(content: bytes) -> bytes:
    return content[:-1]


def without_digest(content: bytes) -> bytes:
    return content[DIGEST_BYTES:]


def one_bit_flipped(content: bytes) -> bytes:
    """In the machine code, which would be run."""
    middle = 2 * len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def noise(content: bytes) -> bytes:
    return random.Random(5).randbytes(len(content))


def nothing(content: bytes) -> bytes:
    return b""


DAMAGE = [nothing, one_bit_flipped, noise, cut, without_last_byte, without_digest]


def test_processes_share_a_cache_until_a_source_is_edited(package: Path) -> None:
    """Two write it at once; an edit of a callee compiles its callers in other files."""
    together = [start(package), start(package)]
    assert [finish(process)[0] for process in together] == [111, 111]
    before = entries(package)
    assert len(before) == 4, "two kernels for two types"
    assert finish(start(package)) == (111, 2)
    edited = CALLEE.replace("value + 10", "value + 20").replace("value + 1\n", "value + 5\n")
    (package / "_callee.py").write_text(edited)
    assert finish(start(package)) == (125, 0)
    assert len(entries(package)) == 4
    assert not {*entries(package)} & {*before}, "entries of the former sources are deleted"


def test_a_damaged_cache_is_replaced(package: Path) -> None:
    """Also what is left of an earlier version's, which Numba itself had written."""
    finish(start(package))
    sound = entries(package)
    for damage, path in zip(DAMAGE, sound, strict=False):
        path.write_bytes(damage(path.read_bytes()))
    name = sound[0].name.partition(".py3")[0] + f".py{sys.version_info[0]}{sys.version_info[1]}"
    index = sound[0].with_name(f"{name}.nbi")
    index.write_bytes(b"")
    assert finish(start(package)) == (111, 0)
    assert entries(package) == sound
    assert finish(start(package)) == (111, 2)


@pytest.mark.parametrize("edited", ["_jit.py", "_callee.py", "new.py", "folder/new.py"])
def test_every_source_counts(package: Path, edited: str) -> None:
    before = digest_of_sources(package)
    path = package / edited
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "\n# edited\n")
    after = digest_of_sources(package)
    path.rename(path.with_name("renamed.py"))
    assert len({before, after, digest_of_sources(package)}) == 3


def test_a_package_without_sources_keeps_nothing(tmp_path: Path) -> None:
    """In an archive, for example: nothing could tell that compiled code is stale."""
    with pytest.raises(RuntimeError, match="no sources"):
        digest_of_sources(tmp_path / "archive.zip" / "unveil_kernels")


def test_entries_are_told_apart_by_their_whole_key(tmp_path: Path) -> None:
    """Also where two keys have one representation, and so one file."""

    class Key:
        def __init__(self, value: int) -> None:
            self.value = value

        def __repr__(self) -> str:
            return "Key"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key) and other.value == self.value

        def __hash__(self) -> int:
            return 0

    files = EntryFiles(tmp_path, "kernel", "stamp")
    files.save(Key(1), "one")
    assert files.load(Key(1)) == "one"
    assert files.load(Key(2)) is None
    assert EntryFiles(tmp_path, "kernel", "later").load(Key(1)) is None
    files.flush()
    assert not list(tmp_path.iterdir())


def test_saving_keeps_the_entries_of_other_kernels(tmp_path: Path) -> None:
    EntryFiles(tmp_path, "a", "old").save("key", 1)
    EntryFiles(tmp_path, "ab", "old").save("key", 2)
    EntryFiles(tmp_path, "a", "new").save("key", 3)
    EntryFiles(tmp_path, "a", "new").save("other", 4)
    assert EntryFiles(tmp_path, "a", "old").load("key") is None
    assert EntryFiles(tmp_path, "ab", "old").load("key") == 2
    assert EntryFiles(tmp_path, "a", "new").load("key") == 3
    assert EntryFiles(tmp_path, "a", "new").load("other") == 4


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_deleted(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    files = EntryFiles(tmp_path, "kernel", "stamp")
    files.save("key", b"machine code" * 9)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level("INFO"):
        assert files.load("key") is None
    assert "damaged" in caplog.text
    assert not path.exists()
    files.save("key", 2)
    assert files.load("key") == 2


def test_an_entry_that_cannot_be_read_or_replaced_is_passed_over(tmp_path: Path) -> None:
    files = EntryFiles(tmp_path, "kernel", "stamp")
    files.save("key", 1)
    (path,) = tmp_path.iterdir()
    path.unlink()
    (path / "inside").mkdir(parents=True)
    assert files.load("key") is None
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        files.save("key", 1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(WITHOUT_JIT, reason="nothing is compiled")
def test_a_kernel_that_cannot_be_stored_runs(tmp_path: Path) -> None:
    @kernel
    def double(values):
        return 2 * values

    assert isinstance(double, Dispatcher)
    double._cache._cache_file = EntryFiles(tmp_path / "missing", "double", "stamp")
    assert double(21) == 42
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(WITHOUT_JIT, reason="nothing is compiled")
def test_numba_has_what_the_cache_builds_on() -> None:
    """Fails where Numba's interface has changed, so that the cache must follow."""

    def triple(values):
        return 3 * values

    assert issubclass(KernelCache, caching.FunctionCache)
    for name in ("load", "save", "flush"):
        assert callable(getattr(caching.IndexDataCacheFile, name)), "EntryFiles has these verbs"
    first, second = kernel(triple), kernel(triple)
    assert isinstance(first, Dispatcher)
    assert isinstance(second, Dispatcher)
    assert isinstance(first._cache, KernelCache)
    assert isinstance(first._cache._cache_file, EntryFiles)
    first._cache.flush()
    values = np.arange(4)
    assert first(values).tolist() == second(values).tolist() == [0, 3, 6, 9]
    assert sum(first.stats.cache_misses.values()) == 1
    assert sum(second.stats.cache_hits.values()) == 1, "Numba asks our files"
    name = first._cache._impl.filename_base
    (entry,) = Path(first.stats.cache_path).glob(f"{name}.*")
    assert entry.suffix == ".nbc"
    first.recompile()
    assert sum(first.stats.cache_misses.values()) == 2, "Numba flushes our files"
