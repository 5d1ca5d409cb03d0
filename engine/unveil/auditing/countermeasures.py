"""What helps against leaks, by measured effect; the figures are data of the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

FILE: Final = "countermeasures.json"


@dataclass(frozen=True, slots=True)
class Countermeasure:
    """A change to the next call, and what it was measured to do.

    Attributes
    ----------
    title
        What to change, as an imperative sentence.
    remaining_share
        What the best attack recovers with the countermeasure, divided by that without it: 0 is
        best, 1 does nothing.
    cost
        What is seen of it, in one sentence.
    command
        The command that does it.
    """

    title: str
    remaining_share: float
    cost: str
    command: str


@dataclass(frozen=True, slots=True)
class Countermeasures:
    """Countermeasures, the most effective first; none where nothing was measured.

    `measured` says in one sentence on what, and against which attacks.
    """

    measured: str
    all: tuple[Countermeasure, ...]


def countermeasures() -> Countermeasures:
    """Read the countermeasures that were measured."""
    text = resources.files("unveil.auditing").joinpath(FILE).read_text(encoding="utf-8")
    return read_countermeasures(json.loads(text))


def read_countermeasures(stored: Mapping[str, Any]) -> Countermeasures:
    """Check a stored table.

    Parameters
    ----------
    stored
        `measured`, a sentence on the calls and the attacks; `countermeasures`, a list of objects
        with the attributes of `Countermeasure`.

    Raises
    ------
    ValueError
        A field is missing, has another type or is out of range.
    """
    found = []
    for entry in stored["countermeasures"]:
        share = entry["remaining_share"]
        texts = [entry["title"], entry["cost"], entry["command"]]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError(f"{FILE}: {entry} lacks a title, a cost or a command")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 10:
            raise ValueError(f"{FILE}: {share!r} is no share of what remains")
        found.append(Countermeasure(texts[0], float(share), texts[1], texts[2]))
    if found and not stored["measured"]:
        raise ValueError(f"{FILE}: says not how the countermeasures were measured")
    found.sort(key=lambda one: (one.remaining_share, one.title))
    return Countermeasures(str(stored["measured"]), tuple(found))
