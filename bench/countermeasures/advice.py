"""What the page of `unveil audit` advises, with the measured figures, as data of the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from bench import report
from bench.cells import distinct
from bench.countermeasure_tables import best_own_f
from bench.countermeasures.backgrounds import MEASURES, PLAIN
from bench.countermeasures.edges import EDGES, RECIPES

FILE: Final = report.ROOT / "engine" / "unveil" / "auditing" / "countermeasures.json"

PROTECT: Final = "unveil protect /dev/video0 -o camera --background IMAGE"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the row of a result that says how much it helps.

    `cost` may name figures of the row in braces: `ssim`, `flicker`, `cut` and `room`.
    """

    title: str
    row: str
    cost: str
    command: str | None = None


OF_BACKGROUNDS: Final = (
    Advice(
        "Show a background with decoys.",
        "decoys in 5 % of the picture",
        "Patches of other colours flash in a twentieth of the background (SSIM {ssim:.2f}).",
    ),
    Advice(
        "Show a background with a few decoys.",
        "decoys in 2 % of the picture",
        "Patches of other colours flash in a fiftieth of the background (SSIM {ssim:.2f}).",
    ),
    Advice(
        "Show a background whose colours drift.",
        "texture",
        "The colours of the background change slowly (SSIM {ssim:.2f}).",
    ),
)

OF_EDGES: Final = (
    Advice(
        "Replace the background with unveil instead of the meeting software.",
        "`--model auto --edge 0.6 --smooth 3`",
        "{cut:.1%} of the person is cut off.",
        PROTECT,
    ),
    Advice(
        "Replace the background with unveil, and cut the person out carefully.",
        "`--model auto --edge 0.6 --smooth 3 --careful`",
        "{cut:.1%} of the person is cut off.",
        f"{PROTECT} --careful",
    ),
    Advice(
        "In a close-up, cut the person out carefully by the selfie network.",
        "`--model selfie-landscape --edge 0.5 --smooth 3 --careful`",
        "{cut:.1%} of the person is cut off.",
        f"{PROTECT} --careful --model selfie-landscape --edge 0.5",
    ),
)


def write_advice() -> None:
    """Write the advice from the stored results; without both results nothing is written."""
    results: dict[str, dict[str, Any]] = {}
    for name in report.OF_COUNTERMEASURES:
        path = report.RESULTS / f"{name}.json"
        if not path.exists():
            return
        results[name] = json.loads(path.read_text(encoding="utf-8"))
    shields, edges = (results[name]["rows"] for name in report.OF_COUNTERMEASURES)
    entries = [_of_background(advice, shields) for advice in OF_BACKGROUNDS]
    entries += [_of_edge(advice, edges) for advice in OF_EDGES]
    calls = len(distinct(row["call"] for row in shields))
    cut_calls = len(distinct(row["call"] for row in edges))
    measured = (
        f"Backgrounds: F of the best of our attacks on {calls} simulated calls of "
        f"{shields[0]['frames']} frames, compared with a plain picture. Replacements: the area of "
        f"the room that the best of them recovers, on {cut_calls} calls of {edges[0]['frames']} "
        "frames, compared with the person mask of a meeting service. On a single call either may "
        "do less."
    )
    content = {
        "measured_with": results["shields"]["machine"]["packages"]["unveil"],
        "measured": measured,
        "countermeasures": sorted(entries, key=lambda entry: float(entry["remaining_share"])),
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _of_background(advice: Advice, rows: list[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in rows if row["measure"] == advice.row]
    plain = [row for row in rows if row["measure"] == PLAIN.title]
    seen = {name: fmean(row[name] for row in own) for name in ("ssim", "flicker")}
    (command,) = (measure.command for measure in MEASURES if measure.title == advice.row)
    return {
        "title": advice.title,
        "remaining_share": round(best_own_f(own) / best_own_f(plain), 3),
        "leaked_share": 1.0,  # it hides nothing: it leads the attack astray
        "ssim": round(seen["ssim"], 3),
        "cost": advice.cost.format(**seen),
        "command": command,
    }


def _of_edge(advice: Advice, rows: list[dict[str, Any]]) -> dict[str, Any]:
    (edge,) = (edge for edge in EDGES if edge.title == advice.row)
    own = [row for row in rows if row["edge"] == edge.title]
    service = [row for row in rows if row["edge"] == RECIPES[0].title]
    before, after = (
        {name: fmean(row[name] for row in some) for name in ("room", "cut", "right")}
        for some in (service, own)
    )
    return {
        "title": advice.title,
        "remaining_share": round(after["right"] / before["right"], 3),
        "leaked_share": round(after["room"] / before["room"], 3),
        "ssim": None,
        "cost": advice.cost.format(**after),
        "command": advice.command,
    }
