"""Markdown tables of the results about what `recover` finds, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from bench.cells import (
    Json,
    distinct,
    machine_line,
    markdown,
    mean_of_known,
    megabytes,
    significant,
)


def quality_table(result: Json) -> str:
    """One row per method with the means over all calls, then one row per call and method."""
    header = [
        "call",
        "",
        "leak score",
        "F",
        "recall",
        "precision",
        "precision, confidence > 0.5",
        "coverage",
        "seconds",
        "peak MB",
    ]
    rows = result["rows"]
    table = markdown(header, [_quality_cells(row) for row in [*mean_rows(rows), *rows]])
    return "\n\n".join([table, *([machine_line(result["machine"])] if "machine" in result else [])])


def mean_rows(rows: Sequence[Json]) -> list[Json]:
    """Average each method that was measured on every call."""
    calls = distinct(row["call"] for row in rows)
    means = []
    for method in distinct(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        if len(mine) == len(calls) > 1:
            mean = {key: mean_of_known(row[key] for row in mine) for key in _QUALITY_FIGURES}
            means.append({"call": f"mean of {len(calls)}", "method": method, **mean})
    return means


_QUALITY_FIGURES = (
    "leak_score",
    "f",
    "recall",
    "precision",
    "confident_precision",
    "coverage",
    "seconds",
    "peak_rss_bytes",
)


def _quality_cells(row: Json) -> list[str]:
    shares = [row[key] for key in _QUALITY_FIGURES[:6]]
    return [
        row["call"],
        row["method"],
        *("" if share is None else f"{share:.3f}" for share in shares),
        significant(row["seconds"]),
        megabytes(row["peak_rss_bytes"]),
    ]


def confidence_table(result: Json) -> str:
    """One row per tenth of confidence: claims and how many are right; then the claims over 0.5."""
    rows = result["rows"]
    body = []
    for tenth in range(10):
        parts = [row["tenths"][tenth] for row in rows]
        claims = sum(pixels for pixels, _ in parts)
        right = sum(pixels * share for pixels, share in parts if pixels)
        shown = f"{right / claims:.3f}" if claims else ""
        body.append([f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", f"{claims:,}", shown])
    n_sure = sum(row["confident_coverage"] > 0 for row in rows)
    good = [row for row in rows if (row["f"] or 0) > 0.5]
    reached = sum(row["confident_coverage"] >= 0.1 * row["coverage"] for row in good)
    notes = f"{len(rows)} calls of {len(distinct(row['person'] for row in rows))} people. "
    if n_sure:
        right = share_of_sure_right(rows)
        notes += f"Over 0.5: {right:.3f} of the claims are right, {n_sure} calls have any. "
    notes += f"A tenth of the claims is over 0.5 in {reached} of {len(good)} calls with F over 0.5."
    table = markdown(["confidence", "claims", "of which right"], body)
    return "\n\n".join([table, notes, machine_line(result["machine"])])


def share_of_sure_right(rows: list[Json]) -> float:
    """Return the share of the claims over 0.5 that are right, of all calls together."""
    sure = [row for row in rows if row["confident_coverage"]]
    claims = [row["pixels"] * row["confident_coverage"] for row in sure]
    right = [n * row["confident_precision"] for n, row in zip(claims, sure, strict=True)]
    return float(sum(right) / sum(claims))
