"""The figures in README.md and docs/ are those of the stored results."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.markdown_page import ROOT


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.report")


def test_the_pages_show_the_stored_results(report: Any) -> None:
    rendered = report.rendered_pages()
    assert {page.name for page in rendered} == {
        "README.md",
        "benchmarks.md",
        "countermeasures.md",
    }
    for page, text in rendered.items():
        assert page.read_text(encoding="utf-8") == text, "run python -m bench.report"


def test_the_summary_has_seven_lines(report: Any) -> None:
    text = report.README.read_text(encoding="utf-8")
    _, _, after = text.partition("<!-- bench:summary -->\n")
    lines = after.partition("<!-- /bench:summary -->")[0].splitlines()
    assert len(lines) == 7
    assert all(line.startswith("- ") for line in lines)


@pytest.mark.parametrize("page", ["", "<!-- bench:a -->\n<!-- /bench:a -->\n" * 2])
def test_a_page_without_its_markers_is_refused(report: Any, page: str) -> None:
    with pytest.raises(ValueError, match="bench:a"):
        report.with_block(page, "a", "table")


def test_a_block_is_replaced(report: Any) -> None:
    page = "before\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nafter\n"
    assert report.with_block(page, "a", "new \\1") == page.replace("old", "new \\1")
