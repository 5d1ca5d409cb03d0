"""How kernels are compiled, also where their machine code cannot be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unveil_kernels
from unveil_kernels._jit import inlined, kernel

PROGRAM = """
import numpy as np
from unveil_kernels import colour

levels, rgb = np.array([[235.0, 128.0, 128.0]]), np.zeros((1, 3))
colour.decode_ycbcr(levels, 0.299, 0.114, 16.0, 219.0, 224.0, rgb)
print(colour.decode_ycbcr.stats.cache_path if hasattr(colour.decode_ycbcr, "stats") else None)
print(rgb.tolist())
"""


def test_a_kernel_calls_its_steps() -> None:
    @inlined
    def double(value):
        return 2 * value

    @kernel
    def double_all(values_inout):
        for i in range(len(values_inout)):
            values_inout[i] = double(values_inout[i])

    values = np.array([1, 2, 3])
    double_all(values)
    assert values.tolist() == [2, 4, 6]


def test_divisions_are_ieee() -> None:
    @kernel
    def divide(a, b):
        return a / b

    with np.errstate(divide="ignore"):
        assert divide(np.float64(1), np.float64(0)) == np.inf


def run_copy(folder: Path, cache_dir: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the kernels in a process whose home cannot be written."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NUMBA_", "XDG_", "PYTHONPATH"))
    }
    environment |= {
        "HOME": "/dev/null/home",
        "XDG_CACHE_HOME": "/dev/null/cache",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": cache_dir,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the kernels to where no folder for their machine code can be made, even by root."""
    source = Path(unveil_kernels.__file__).parent
    package = tmp_path / "unveil_kernels"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__pycache__").write_text("a file in the folder's place")
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="needs /dev/null")
def test_kernels_work_where_no_cache_folder_can_be_written(copied: Path) -> None:
    done = run_copy(copied, "/dev/null/numba")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["None", "[[255.0, 255.0, 255.0]]"]
    assert not done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs /dev/null")
def test_numba_cache_dir_is_honoured(copied: Path) -> None:
    cache = copied / "cache"
    done = run_copy(copied, str(cache))
    assert done.returncode == 0, done.stderr
    path, result = done.stdout.splitlines()
    assert Path(path).is_relative_to(cache)
    assert result == "[[255.0, 255.0, 255.0]]"
    assert any(cache.rglob("colour.decode_ycbcr*.nbc"))
