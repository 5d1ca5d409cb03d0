"""The benchmark figures in seven lines, for README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

from bench.cells import Json, distinct, megabytes, significant
from bench.countermeasure_tables import best_own_f
from bench.quality_tables import mean_rows, share_of_sure_right


def summary(results: Mapping[str, Json]) -> str:
    """Describe the results in one line each, for README.md; a missing result has no line."""
    lines = {name: line(results[name]) for name, line in SUMMARY.items() if name in results}
    if "quality" in lines and "confidence" in results:
        lines["quality"] += f" {_confidence_sentence(results['confidence'])}"
    return "\n".join(f"- {line}" for line in lines.values())


def _quality_line(result: Json) -> str:
    means = {row["method"]: row for row in mean_rows(result["rows"])}
    n_calls = len(distinct(row["call"] for row in result["rows"]))
    scores = ", ".join(f"{method} {row['f']:.3f}" for method, row in means.items())
    line = f"Quality, mean F over {n_calls} simulated calls: {scores}."
    default = means.get("`farend`")
    if default is not None:
        line += (
            f" `farend`: {default['confident_precision']:.0%} of the claims with a "
            "confidence over 0.5 are right, on the calls that have any."
        )
    return line


def _confidence_sentence(result: Json) -> str:
    rows = result["rows"]
    right = share_of_sure_right(rows)
    return (
        f"On {len(rows)} short calls, most of them of low bit rate, {right:.0%} of the claims with "
        "such a confidence are right."
    )


def _speed_line(result: Json) -> str:
    longest = max(row["call_frames"] for row in result["rows"])
    rows = [row for row in result["rows"] if row["call_frames"] == longest]
    threads = max(row["threads"] for row in rows)
    height = min(row["height"] for row in rows)
    wanted = ("decoding only (PyAV)", "unveil farend", "unveil transitions", "unveil rarest")
    found = {
        row["contender"]: row["frames_per_second"]
        for row in rows
        if (row["threads"], row["height"]) == (threads, height)
    }
    speeds = ", ".join(f"{name} {significant(found[name])}" for name in wanted if name in found)
    return f"Speed at {height}p with {threads} threads, frames/s: {speeds}."


def _memory_line(result: Json) -> str:
    rows = result["rows"]
    peaks = ", ".join(
        f"{row['contender']} {megabytes(row['long_peak_rss_bytes'])} MB" for row in rows
    )
    growth = max(row["difference_percent"] for row in rows)
    return (
        f"Peak memory at {rows[0]['height']}p for {rows[0]['long_frames']:,} frames: {peaks}; "
        f"at most {growth:+.1f} % against {rows[0]['short_frames']:,} frames."
    )


def _startup_line(result: Json) -> str:
    return (
        f"Start: `unveil --help` {result['help_seconds']:.2f} s; the first run compiles for "
        f"{result['compile_seconds']:.0f} s; a later run on one small frame takes "
        f"{result['one_frame_run_seconds']:.1f} s."
    )


def _protect_line(result: Json) -> str:
    speeds = {
        row["model"]: row["file_frames_per_second"] for row in result["rows"] if row["every"] == 1
    }
    slow, fast = min(speeds, key=speeds.__getitem__), max(speeds, key=speeds.__getitem__)
    return (
        f"`protect` at 1080p, file to file: {significant(speeds[slow])} (`{slow}`) to "
        f"{significant(speeds[fast])} (`{fast}`) frames/s."
    )


def _roundtrip_line(result: Json) -> str:
    shares = [row["right_share"] for row in result["rows"]]
    return (
        "`recover` on a protected call: correct room colours in "
        f"{min(shares):.1%} to {max(shares):.1%} of the pixels, depending on the model."
    )


def _shields_line(result: Json) -> str:
    """Name the picture, and the backgrounds that cut F most, with their likeness to it."""
    rows = result["rows"]
    names = distinct(row["measure"] for row in rows)
    own = {name: [row for row in rows if row["measure"] == name] for name in names}
    before = best_own_f(own[names[0]])
    left = {name: best_own_f(some) / before for name, some in own.items()}
    best = ", ".join(
        f"{name} {left[name]:.0%} (SSIM {fmean(row['ssim'] for row in own[name]):.2f})"
        for name in sorted(names, key=left.__getitem__)[:3]
    )
    nothing = sum(share > 0.89 for share in left.values()) - 1
    return (
        f"Resisting backgrounds, F of our best attack against that behind a plain picture: {best}; "
        f"{nothing} others leave more than 89%."
    )


SUMMARY: Mapping[str, Callable[[Json], str]] = {
    "quality": _quality_line,
    "speed": _speed_line,
    "memory": _memory_line,
    "startup": _startup_line,
    "protect": _protect_line,
    "roundtrip": _roundtrip_line,
    "shields": _shields_line,
}
