"""Results as JSON in `bench/results/`, and as tables in docs/benchmarks.md.

Each runner stores its result with `save`, which also renders the pages. A table replaces the text
between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` in docs/benchmarks.md, or in
docs/countermeasures.md for the two results of `bench.countermeasures`; the block `summary` in
README.md holds one line for each of six results. `python -m bench.report` renders all pages from
the stored results, without measuring.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.cells import Json
from bench.summary import summary
from bench.tables import TABLES

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
README = ROOT / "README.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
COUNTERMEASURES = ROOT / "docs" / "countermeasures.md"
OF_COUNTERMEASURES = ("shields", "edges")
"""Results that are shown in docs/countermeasures.md."""


def save(name: str, result: Json) -> None:
    """Write `results/NAME.json`, print its table, and render the pages."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(TABLES[name](result))
    write_pages()


def write_pages() -> list[Path]:
    """Render all stored results into the pages; return the pages that changed."""
    changed = []
    for page, text in rendered_pages().items():
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            changed.append(page)
    return changed


def rendered_pages() -> dict[Path, str]:
    """Return the text of each page with every block rendered from the stored results.

    Raises
    ------
    ValueError
        A page lacks the markers of a block.
    """
    results = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in TABLES
        if (path := RESULTS / f"{name}.json").exists()
    }
    tables = {name: TABLES[name](result) for name, result in results.items()}
    blocks = {
        BENCHMARKS: {name: tables[name] for name in tables if name not in OF_COUNTERMEASURES},
        COUNTERMEASURES: {name: tables[name] for name in tables if name in OF_COUNTERMEASURES},
        README: {"summary": summary(results)},
    }
    pages = {}
    for page, own in blocks.items():
        text = page.read_text(encoding="utf-8")
        for name, block in own.items():
            text = with_block(text, name, block)
        pages[page] = text
    return pages


def with_block(page: str, name: str, block: str) -> str:
    """Replace the text between the markers of `name`.

    Raises
    ------
    ValueError
        The page does not have the markers exactly once.
    """
    pattern = rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)"
    text, found = re.subn(pattern, lambda m: f"{m[1]}{block}\n{m[2]}", page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"{found} blocks bench:{name} in a page; it needs exactly one")
    return text


def main() -> None:
    """Render the stored results into the pages."""
    changed = write_pages()
    for page in (README, BENCHMARKS, COUNTERMEASURES):
        print(f"{page.relative_to(ROOT)}: {'written' if page in changed else 'unchanged'}")


if __name__ == "__main__":
    main()
