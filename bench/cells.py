"""Markdown tables, and the numbers in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def machine_line(machine: Mapping[str, Any]) -> str:
    """Describe the machine of a result."""
    packages = ", ".join(f"{name} {v}" for name, v in machine["packages"].items() if v)
    return (
        f"{machine['date'][:10]}; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, {machine['os']}, Python {machine['python']}, "
        f"{packages}."
    )


def markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table; all columns but the first are aligned to the right."""
    rule = ["---" if n == 0 else "---:" for n in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *body])


def significant(value: float) -> str:
    """Format with three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def megabytes(size_bytes: float) -> str:
    """Format a size in MB, without decimals."""
    return f"{size_bytes / 1e6:,.0f}"


def distinct(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in the order in which they come first."""
    return list(dict.fromkeys(values))


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Average the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
