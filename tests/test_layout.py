"""The shape of the source: short files, short functions, tests beside what they test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 90

FOLDERS = ("bench", "docs", "engine", "kernels", "tests")
SUFFIXES = {".css", ".html", ".js", ".py"}
NOT_OURS = Path("bench", "work")
"""Where benchmarks put what they download and make."""

NOT_PACKAGES = {"data", "docs"}
"""Folders in tests/ that belong to no package."""


def sources_below(root: Path) -> Iterator[Path]:
    for folder in ("engine", "kernels"):
        yield from sorted((root / folder).rglob("*.py"))


def written_below(root: Path) -> Iterator[Path]:
    """Find all code, tests, pages and style sheets of the project."""
    yield from sorted(root.glob("*.py"))
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and not path.is_relative_to(root / NOT_OURS):
                yield path


def long_files(root: Path) -> list[str]:
    """Tell files that are too long."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in written_below(root)}
    return [
        f"{path.relative_to(root).as_posix()}: {length} lines"
        for path, length in lengths.items()
        if length > MAX_FILE_LINES
    ]


def long_functions(root: Path) -> list[str]:
    """Tell functions that are too long; decorated ones in kernels/ may be: those are kernels.

    What a kernel calls is compiled into it or costs a call per pixel. Docstrings do not count: a
    public function with twenty options describes each of them.
    """
    found = []
    for path in sources_below(root):
        in_kernels = path.is_relative_to(root / "kernels")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                length -= (text.end_lineno or text.lineno) - text.lineno + 1
            if length > MAX_FUNCTION_LINES and not (in_kernels and node.decorator_list):
                found.append(f"{path.relative_to(root)}: {node.name}, {length} lines")
    return found


def stray_tests(root: Path) -> list[str]:
    """Tell tests in a package's folder whose names begin with no module of that package.

    `tests/video/test_reader.py` and `test_reader_damage.py` belong to `unveil.video.reader`,
    `tests/cli/test_cli.py` to the package itself, `tests/kernels/...` to `unveil_kernels`.
    Tests of the whole program lie in tests/ itself.
    """
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        package = path.relative_to(root / "tests").parts[:-1]
        if not package or package[0] in NOT_PACKAGES:
            continue
        source = root / "engine" / "unveil"
        if package[0] == "kernels":
            source, package = root / "kernels" / "unveil_kernels", package[1:]
        source = source.joinpath(*package)
        modules = {one.stem.lstrip("_") for one in source.glob("*.py")} - {"init__", "main__"}
        modules |= {one.parent.name for one in source.glob("*/__init__.py")}
        modules.add(path.parent.name)
        tested = path.stem.removeprefix("test_")
        belongs = any(tested == name or tested.startswith(f"{name}_") for name in modules)
        if not source.is_dir() or not belongs:
            found.append(str(path.relative_to(root)))
    return found


def test_no_file_is_too_long() -> None:
    assert {path.suffix for path in written_below(ROOT)} == SUFFIXES
    assert len(list(sources_below(ROOT))) > 50
    assert long_files(ROOT) == []


def test_no_function_is_too_long() -> None:
    assert long_functions(ROOT) == []


def test_tests_lie_where_their_modules_lie() -> None:
    for package in (ROOT / "engine" / "unveil").glob("*/__init__.py"):
        assert (ROOT / "tests" / package.parent.name).is_dir(), package.parent.name
    assert stray_tests(ROOT) == []


# The checkers themselves


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "engine/unveil/video/__init__.py",
        "engine/unveil/video/reader.py",
        "engine/unveil/recovery/decide/__init__.py",
        "engine/unveil/recovery/decide/farend.py",
        "kernels/unveil_kernels/_jit.py",
        "tests/test_quality.py",
        "tests/video/test_reader.py",
        "tests/video/test_reader_damage.py",
        "tests/video/test_video.py",
        "tests/recovery/test_decide.py",
        "tests/recovery/decide/test_farend.py",
        "tests/kernels/test_jit.py",
        "tests/docs/test_readme.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def function_of(n_lines: int, decorator: str = "") -> str:
    return f"{decorator}def long():\n" + "    pass\n" * (n_lines - 1)


def test_a_good_tree_has_no_fault(tree: Path) -> None:
    (tree / "engine/unveil/video/reader.py").write_text(function_of(MAX_FUNCTION_LINES))
    (tree / "kernels/unveil_kernels/_jit.py").write_text(function_of(200, "@kernel\n"))
    (tree / "engine/unveil/video/__init__.py").write_text("\n" * MAX_FILE_LINES)
    assert long_files(tree) == long_functions(tree) == stray_tests(tree) == []


def test_long_files_and_functions_are_told(tree: Path) -> None:
    (tree / "engine/unveil/video/reader.py").write_text(function_of(91, "@cached\n"))
    (tree / "kernels/unveil_kernels/_jit.py").write_text(function_of(451))
    assert long_files(tree) == ["kernels/unveil_kernels/_jit.py: 451 lines"]
    assert long_functions(tree) == [
        "engine/unveil/video/reader.py: long, 91 lines",
        "kernels/unveil_kernels/_jit.py: long, 451 lines",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "conftest.py",
        "bench/speed.py",
        "engine/unveil/live/page/index.html",
        "engine/unveil/live/page/main.js",
        "engine/unveil/live/page/style/page.css",
        "tests/video/test_reader.py",
    ],
)
def test_whatever_is_written_is_measured(tree: Path, name: str) -> None:
    for path in (tree / name, tree / "bench/work/made.html", tree / "docs/methods.md"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n" * (MAX_FILE_LINES + 1))
    assert long_files(tree) == [f"{name}: 451 lines"]


@pytest.mark.parametrize(
    "name",
    [
        "tests/video/test_decode.py",
        "tests/video/test_readers.py",
        "tests/recovery/test_farend.py",
        "tests/kernels/test_count.py",
        "tests/strip/test_strip.py",
    ],
)
def test_a_test_without_a_module_is_told(tree: Path, name: str) -> None:
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).touch()
    assert stray_tests(tree) == [name]
