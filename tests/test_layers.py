"""A package imports only from the lines below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import unveil

ROOT = Path(unveil.__file__).parent

LAYERS = (
    "cli",
    "demo live audit cluster",
    "timeline protection simulation",
    "recovery shield",
    "scoring counting",
    "person",
    "video",
    "drawing files progress parallel",
    "interruption",
    "errors",
    "arrays _version",
)

RECOVERY_LAYERS = (
    "batch",
    "recover",
    "passes warmup",
    "engine",
    "decide",
    "background",
    "result",
    "statistics",
    "parameters",
)


def levels(layers: tuple[str, ...]) -> dict[str, int]:
    return {name: -n for n, line in enumerate(layers) for name in line.split()}


def imports(source: str) -> Iterator[tuple[str, ...]]:
    """Yield the parts of each imported module of the package, also for type checking only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not used"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] == "unveil" and len(parts) > 1:
                yield parts[1:]


def violations(own: tuple[str, ...], source: str) -> list[str]:
    """Return the imports of a module, given as its path in the package, that break the rule."""
    found = []
    for imported in imports(source):
        depth = 1 if own[0] == imported[0] == "recovery" else 0
        known = levels(RECOVERY_LAYERS if depth else LAYERS)
        here, there = own[depth], imported[depth]
        if here == there or here not in known:
            continue
        same_line = known.get(there) == known[here] and depth
        if known.get(there, 1) >= known[here] and not same_line:
            found.append(".".join(imported))
    return found


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_imports_only_from_below(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts
    if own in (("__init__",), ("__main__",)):  # the public names, and the program
        return
    assert own[0] in levels(LAYERS), "a new package needs a line in LAYERS"
    if own[0] == "recovery":
        known = {"__init__", *levels(RECOVERY_LAYERS)}
        assert own[1] in known, "a new module of the recovery needs a line in RECOVERY_LAYERS"
    assert violations(own, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("own", "source"),
    [
        ("video.colour", "from unveil.person.models import MODELS"),
        ("person.blocks", "from unveil.recovery.parameters import Parameters"),
        ("timeline.strip", "from unveil.simulation import scenes"),
        ("timeline.strip", "def f():\n    import unveil.simulation.scenes"),
        ("errors", "from unveil.files import replacing"),
        ("recovery.background.changes", "from unveil.recovery.passes.recording import Recording"),
        ("counting.table", "from unveil import recover"),
    ],
)
def test_an_import_from_above_is_found(own: str, source: str) -> None:
    assert violations(tuple(own.split(".")), source)
