"""Markdown tables of the results about backgrounds and edges that protect the room."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.cells import Json, distinct, machine_line, markdown, mean_of_known


def shields_table(result: Json) -> str:
    """One row per background: what is seen of it, and F and leak score by attack."""
    rows = result["rows"]
    names = distinct(row["measure"] for row in rows)
    attacks = distinct(attack for row in rows for attack in row["attacks"])
    before = best_own_f([row for row in rows if row["measure"] == names[0]])
    overview: list[list[str]] = []
    tables: dict[str, list[list[str]]] = {"f": [], "leak_score": []}
    for name in names:
        own = [row for row in rows if row["measure"] == name]
        best = best_own_f(own)
        overview.append(
            [
                name,
                *(
                    "" if mean is None else f"{mean:{form}}"
                    for mean, form in (
                        (mean_of_known(row["ssim"] for row in own), ".3f"),
                        (mean_of_known(row["psnr"] for row in own), ".1f"),
                        (mean_of_known(row["flicker"] for row in own), ".2f"),
                    )
                ),
                _mbit(mean_of_known(row["bit_rate"] for row in own)),
                f"{best:.3f}",
                f"{best / before:.0%}",
            ]
        )
        for field, body in tables.items():
            means = (
                mean_of_known(row["attacks"].get(attack, {}).get(field) for row in own)
                for attack in attacks
            )
            body.append([name, *("" if mean is None else f"{mean:.3f}" for mean in means)])
    header = ["background", "SSIM", "PSNR, dB", "flicker, levels", "Mbit/s"]
    header += ["F of our best attack", "of that before"]
    calls = ", ".join(distinct(row["call"] for row in rows))
    notes = (
        f"Means of the calls {calls}, {rows[0]['frames']} frames of 640x360 each. Best attack: the "
        "best of ours, VADER excluded, call by call."
    )
    parts = [markdown(header, overview), "F by attack:", markdown(["", *attacks], tables["f"])]
    parts += ["Leak score by attack:", markdown(["", *attacks], tables["leak_score"])]
    return "\n\n".join([*parts, notes, machine_line(result["machine"])])


def best_own_f(rows: Sequence[Json]) -> float:
    """Return the mean over calls of the highest F of all attacks except VADER."""
    return fmean(
        max(outcome["f"] for name, outcome in row["attacks"].items() if "VADER" not in name)
        for row in rows
    )


def _mbit(bit_rate: float | None) -> str:
    return "" if bit_rate is None else f"{bit_rate / 1e6:.2f}"


def edges_table(result: Json) -> str:
    """One row per way to cut out the person: room shown, person cut off, F; means of calls."""
    rows = result["rows"]
    names = distinct(row["edge"] for row in rows)
    rooms = {
        name: mean_of_known(row["room"] for row in rows if row["edge"] == name) for name in names
    }
    header = ["", "room shown", "of the first row", "worst frame", "strongly leaked"]
    header += ["person cut off", "F of the best attack", "room recovered"]
    body = []
    for name in names:
        own = [row for row in rows if row["edge"] == name]
        f, right = (mean_of_known(row.get(field) for row in own) for field in ("f", "right"))
        body.append(
            [
                name,
                f"{rooms[name]:.2%}",
                f"{(rooms[name] or 0) / (rooms[names[0]] or 1):.0%}",
                f"{max(row['worst_room'] for row in own):.1%}",
                f"{mean_of_known(row['strong'] for row in own):.1%}",
                f"{mean_of_known(row['cut'] for row in own):.1%}",
                "" if f is None else f"{f:.3f}",
                "" if right is None else f"{right:.1%}",
            ]
        )
    by_call = [
        [
            name,
            *(f"{row['room']:.2%}, {row['cut']:.1%}" for row in rows if row["edge"] == name),
        ]
        for name in names
    ]
    calls = distinct(row["call"] for row in rows)
    notes = (
        f"Means of the calls {', '.join(calls)}, {rows[0]['frames']} frames of 640x360 each. Room "
        "shown: share of the room's area, blends by their weight. Strongly leaked: pixels, as in "
        "the truth of a call. Person cut off: share of the person's area in the median frame. Room "
        "recovered: pixels that an attack claims and that are right."
    )
    parts = [markdown(header, body), "Room shown and person cut off, call by call:"]
    parts += [markdown(["", *calls], by_call), notes, machine_line(result["machine"])]
    return "\n\n".join(parts)
