"""Reads the fenced blocks and the tables of a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is the number of its first line of content."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Commands of a shell block, each with the lines of output that follow it.

        In a `console` block a command begins with "$ "; in an `sh` block each line is one.
        """
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if self.language == "sh":
                found.append((line, []))
            elif line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return found


def blocks_of(page: Path) -> list[Block]:
    """Find the fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start(2)) + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]


def tables_of(page: Path) -> dict[str, list[list[str]]]:
    """Rows of cells below each heading of a page ("" before the first), without header rows."""
    tables: dict[str, list[list[str]]] = {"": []}
    heading = ""
    for line in _FENCE.sub("", page.read_text(encoding="utf-8")).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
            tables[heading] = []
        elif re.fullmatch(r"\|[\s:|-]+\|", line):
            tables[heading].pop()  # the row above the rule is the table's header
        elif line.startswith("|"):
            cells = _CELL.split(line.strip()[1:-1])
            tables[heading].append([cell.strip().replace(r"\|", "|") for cell in cells])
    return tables


def code_in(text: str) -> list[str]:
    """Texts in single backticks; `text` has no fenced block."""
    return re.findall(r"`([^`]+)`", text)


def inline_code_of(page: Path) -> list[str]:
    """Texts in single backticks of a page, outside its fenced blocks."""
    return code_in(_FENCE.sub("", page.read_text(encoding="utf-8")).replace(r"\|", "|"))
