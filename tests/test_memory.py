"""The memory that this process may use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unveil import Engine
from unveil.errors import FrameTooLarge
from unveil.memory import limited_to, memory_limit, return_freed_memory
from unveil.recovery import engine

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
MB = 1 << 20


def system(root: Path, cgroup: str, **limits: str) -> Path:
    """Make the files of the kernel that tell limits; "/" in their names is "__" here."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, content in limits.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": f"{300 * MB}\n"}, 300 * MB),
        ("0::/\n", {"memory.max": "max\n"}, PHYSICAL),
        ("0::/a/b\n", {"a__b__memory.max": "max\n", "a__memory.max": f"{200 * MB}\n"}, 200 * MB),
        (
            "0::/a/b\n",
            {"a__b__memory.max": f"{100 * MB}\n", "a__memory.max": f"{200 * MB}\n"},
            100 * MB,
        ),
        # Only the top of the host's hierarchy is mounted.
        ("0::/host/container\n", {"memory.max": f"{150 * MB}\n"}, 150 * MB),
        (
            "5:cpu:/x\n4:memory,hugetlb:/docker/1\n",
            {"memory__docker__1__memory.limit_in_bytes": f"{120 * MB}\n"},
            120 * MB,
        ),
        ("4:memory:/\n", {"memory__memory.limit_in_bytes": f"{(1 << 63) - 4096}\n"}, PHYSICAL),
        ("damaged", {}, PHYSICAL),
        ("0::/\n", {"memory.max": "many\n"}, PHYSICAL),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, cgroup: str, limits: dict[str, str], expected: int
) -> None:
    assert memory_limit(system(tmp_path, cgroup, **limits)) == expected


def test_a_system_without_control_groups_has_its_memory(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) == PHYSICAL


def test_frames_whose_state_exceeds_the_limit_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "memory_limit", lambda: 100 * MB)
    with pytest.raises(FrameTooLarge, match=r"more than the 0.1 GiB that this process may use"):
        Engine(1080, 1920, method="rarest").finalise()
    Engine(48, 64, method="rarest").finalise()


def test_the_limit_of_the_address_space_counts() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30));"
        "from unveil.memory import memory_limit; print(memory_limit())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert int(shown.stdout) == min(2 << 30, PHYSICAL)


def test_a_grant_holds_in_all_threads_until_the_block_ends() -> None:
    before = memory_limit()
    with limited_to(2**20), limited_to(None), limited_to(2**30), ThreadPoolExecutor(1) as pool:
        assert pool.submit(memory_limit).result() == 2**20
    assert memory_limit() == before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits what a process writes to")
def test_a_limited_process_gets_no_more() -> None:
    program = (
        "from unveil.memory import limit_this_process, memory_limit\n"
        "limit_this_process(2**26)\n"
        "assert memory_limit() < 2**32\n"
        "bytearray(2**24)\n"
        "try:\n    bytearray(2**27)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other allocators keep what they free in other ways"
)
def test_what_threads_have_freed_is_returned() -> None:
    """Blocks below the size that glibc maps on its own, with one left at the end of each arena."""
    kept: list[bytearray] = []

    def allocate() -> None:
        blocks = [bytearray(b"\1" * 50_000) for _ in range(1000)]
        kept.append(blocks[-1])

    threads = [threading.Thread(target=allocate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = resident_bytes()
    return_freed_memory()
    assert resident_bytes() < before - 40_000_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
