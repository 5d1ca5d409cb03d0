"""The rule of imports: a package imports only from lines below its own, and there is no cycle.

ARCHITECTURE.md shows the lines. The rule is checked on the source, so that imports in
functions and for type checkers count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LINES = (
    ("__init__", "__main__"),
    ("cli",),
    ("demo",),
    ("live", "auditing", "cluster", "evaluation"),
    ("timeline", "protection", "simulation"),
    ("recovery", "shielding"),
    ("scoring", "counting", "tiles"),
    ("person",),
    ("video",),
    ("base",),
    ("unveil_kernels",),
)
"""Packages from the top to the bottom; "base" is every other module right below `unveil`."""

RECOVERY = (
    ("__init__",),
    ("batch",),
    ("jobs",),
    ("tiles",),
    ("recover",),
    ("run",),
    ("segments",),
    ("passes", "warmup"),
    ("engine",),
    ("engine_state",),
    ("decide",),
    ("background",),
    ("parameters", "result", "statistics", "leak_times", "notebook"),
)
"""Parts of `unveil.recovery` from the top to the bottom; one may import others of its line."""


@dataclass(frozen=True)
class Import:
    """One module imports another; `runtime` unless it does so for type checkers alone."""

    importer: str
    imported: str
    line: int
    runtime: bool


def modules_below(root: Path) -> dict[str, Path]:
    """Find the modules of both packages by their dotted names, "a.__init__" for a package."""
    sources = (root / "engine" / "unveil", root / "kernels" / "unveil_kernels")
    return {
        ".".join(path.relative_to(source.parent).with_suffix("").parts): path
        for source in sources
        for path in source.rglob("*.py")
    }


def imports_of(module: str, tree: ast.AST, modules: dict[str, Path]) -> Iterator[Import]:
    """List what a module imports of the project, at any depth of its source."""
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        for name in names:
            # The name may be a module, a package, or something in one of the two.
            parent = name.rpartition(".")[0]
            for candidate in (name, f"{name}.__init__", parent, f"{parent}.__init__"):
                if candidate in modules and candidate != module:
                    yield Import(module, candidate, node.lineno, id(node) not in for_types)
                    break


def place_of(module: str) -> tuple[int, str]:
    """Give the number of a module's line, counted from the top, and its package."""
    first, second = module.split(".")[:2]
    known = {package for line in LINES for package in line}
    package = first if first == "unveil_kernels" else second if second in known else "base"
    return next(n for n, line in enumerate(LINES) if package in line), package


def place_in_recovery(module: str) -> int:
    """Give the number of a line of `RECOVERY`, counted from the top."""
    part = module.split(".")[2]
    numbers = [n for n, line in enumerate(RECOVERY) if part in line]
    assert numbers, f"{module} has no place in the order of unveil.recovery: give it one"
    return numbers[0]


def faults_below(root: Path) -> list[str]:
    """Tell every import that breaks the rule, and a cycle if there is one."""
    modules = modules_below(root)
    imports = [
        found
        for module, path in modules.items()
        for found in imports_of(module, ast.parse(path.read_text(encoding="utf-8")), modules)
    ]
    faults = []
    for found in imports:
        (line, package), (its_line, its_package) = map(place_of, (found.importer, found.imported))
        upwards = its_line <= line and package != its_package
        if package == its_package == "recovery":
            upwards = place_in_recovery(found.imported) < place_in_recovery(found.importer)
        if upwards:
            faults.append(f"{found.importer}:{found.line} imports {found.imported}")
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in imports:
        if found.runtime:
            graph[found.importer].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        faults.append("cycle: " + " <- ".join(error.args[1]))
    return sorted(faults)


def test_packages_import_from_lines_below_their_own() -> None:
    assert len(modules_below(ROOT)) > 50
    assert faults_below(ROOT) == []


# The checker itself

GOOD = {
    "engine/unveil/__init__.py": "from unveil.cli import app",
    "engine/unveil/cli/__init__.py": "import unveil.demo\nfrom unveil.recovery.batch import run",
    "engine/unveil/demo.py": "from unveil import errors\nfrom unveil.video.reader import read",
    "engine/unveil/errors.py": "",
    "engine/unveil/files.py": "from unveil.errors import MissingInput\nimport numpy",
    "engine/unveil/video/__init__.py": "",
    "engine/unveil/video/reader.py": "from . import packets\nfrom ..errors import MissingInput",
    "engine/unveil/video/packets.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from unveil.video.reader import read\n"
    ),
    "engine/unveil/person/__init__.py": "from unveil.person.mask import Mask",
    "engine/unveil/person/mask.py": "from unveil_kernels.counting import rows",
    "engine/unveil/recovery/__init__.py": "",
    "engine/unveil/recovery/batch.py": "def run():\n    from unveil.recovery import engine",
    "engine/unveil/recovery/engine.py": "from unveil.recovery.decide.farend import decide",
    "engine/unveil/recovery/decide/__init__.py": "",
    "engine/unveil/recovery/decide/farend.py": "from unveil.recovery.result import Recovery",
    "engine/unveil/recovery/result.py": "from unveil.recovery import parameters",
    "engine/unveil/recovery/parameters.py": "from unveil.person import Mask",
    "engine/unveil/timeline/__init__.py": "from unveil.recovery import result",
    "engine/unveil/protection/__init__.py": "",
    "kernels/unveil_kernels/__init__.py": "",
    "kernels/unveil_kernels/_jit.py": "",
    "kernels/unveil_kernels/counting/__init__.py": "",
    "kernels/unveil_kernels/counting/rows.py": "from unveil_kernels._jit import kernel",
}


def write_tree(root: Path, changes: dict[str, str]) -> Path:
    for name, source in (GOOD | changes).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root


def test_a_good_tree_has_no_fault(tmp_path: Path) -> None:
    assert faults_below(write_tree(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        (
            "unveil/person/mask.py",
            "def f():\n    from unveil.recovery.parameters import Model",
            "unveil.person.mask:2 imports unveil.recovery.parameters",
        ),
        (
            "unveil/video/packets.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from unveil import person",
            "unveil.video.packets:3 imports unveil.person.__init__",
        ),
        (
            "unveil/protection/__init__.py",
            "from unveil.timeline import draw",
            "unveil.protection.__init__:1 imports unveil.timeline.__init__",
        ),
        (
            "unveil/errors.py",
            "from .video.reader import read",
            "unveil.errors:1 imports unveil.video.reader",
        ),
        ("unveil/files.py", "import unveil", "unveil.files:1 imports unveil.__init__"),
        (
            "unveil/recovery/decide/farend.py",
            "from ..engine import Engine",
            "unveil.recovery.decide.farend:1 imports unveil.recovery.engine",
        ),
        (
            "unveil_kernels/_jit.py",
            "from unveil.errors import MissingInput",
            "unveil_kernels._jit:1 imports unveil.errors",
        ),
        (
            "unveil/video/packets.py",
            "def f():\n    import unveil.video.reader",
            "cycle: unveil.video.packets <- unveil.video.reader <- unveil.video.packets",
        ),
    ],
)
def test_a_fault_is_told(tmp_path: Path, name: str, source: str, fault: str) -> None:
    folder = "kernels" if name.startswith("unveil_kernels") else "engine"
    faults = faults_below(write_tree(tmp_path, {f"{folder}/{name}": source}))
    told = [one for one in faults if not one.startswith("cycle")] or faults
    if fault.startswith("cycle"):
        assert len(told) == 1
        assert set(told[0].removeprefix("cycle: ").split(" <- ")) == set(
            fault.removeprefix("cycle: ").split(" <- ")
        )
    else:
        assert told == [fault]
