"""Markdown tables of the stored results, one function per result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeAlias

from bench.cells import distinct, machine_line, markdown, megabytes, significant
from bench.long_tables import long_table, scaling_table, workers_table

Json: TypeAlias = dict[str, Any]


def speed_table(result: Json) -> str:
    """One row per contender and thread count: frames/s, ratio and peak memory by picture size."""
    parts: list[str] = []
    for frames in distinct(row["call_frames"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["call_frames"] == frames]
        heights = distinct(row["height"] for row in rows)
        header = ["", "threads"]
        for height in heights:
            header += [f"{height}p frames/s", "x floor", "peak MB"]
        body: list[list[str]] = []
        for contender in distinct(row["contender"] for row in rows):
            for threads in distinct(row["threads"] for row in rows):
                found = {
                    row["height"]: row
                    for row in rows
                    if (row["contender"], row["threads"]) == (contender, threads)
                }
                if found:
                    cells = [cell for height in heights for cell in _speed_cells(found.get(height))]
                    body.append([contender, str(threads), *cells])
        parts += [f"Calls of {frames:,} frames:", markdown(header, body)]
    stages = _stage_table(result["rows"])
    parts += [stages] if stages else []
    notes = (
        f"Floor: decoding only (PyAV) at the same thread count, in the same round; median of "
        f"{result['repeats']} rounds. unveil: decode, count, finalise and write. "
        f"MOG2, KNN and zoomg's rule read {result['slow_frames']:,} frames at most."
    )
    if any(row["scaled"] for row in result["rows"]):
        notes += " \\* scaled: measured on a crop of 64 x 64 pixels, multiplied to the whole frame."
    return "\n\n".join([*parts, notes, machine_line(result["machine"])])


def memory_table(result: Json) -> str:
    """One row per method: peak memory of the short and of the long call."""
    body = [
        [
            row["contender"],
            f"{row['height']}p",
            f"{megabytes(row['short_peak_rss_bytes'])} ({row['short_frames']:,} frames)",
            f"{megabytes(row['long_peak_rss_bytes'])} ({row['long_frames']:,} frames)",
            f"{row['difference_percent']:+.1f} %",
        ]
        for row in result["rows"]
    ]
    header = ["", "picture", "peak MB, short", "peak MB, long", "difference"]
    return f"{markdown(header, body)}\n\n{machine_line(result['machine'])}"


def startup_table(result: Json) -> str:
    """One row per kind of run, in seconds."""
    body = [
        ["`unveil --help`", f"{result['help_seconds']:.2f} s"],
        ["first run on a machine, a tiny clip", f"{result['first_run_seconds']:.1f} s"],
        ["of which compiling", f"{result['compile_seconds']:.1f} s"],
        [
            "later run, one small frame, whole process (upper bound of the start of decoding)",
            f"{result['one_frame_run_seconds']:.2f} s",
        ],
    ]
    return f"{markdown(['', 'wall time'], body)}\n\n{machine_line(result['machine'])}"


def batch_table(result: Json) -> str:
    """One row per number of workers: wall and CPU time of the batch, and its speed."""
    body = [
        [
            str(row["workers"]),
            significant(row["seconds"]),
            significant(row["cpu_seconds"]),
            f"{row['times_one_worker']:.2f}",
        ]
        for row in result["rows"]
    ]
    header = ["`--workers`", "seconds", "CPU seconds", "times one worker"]
    others = [run["others_cores"] for row in result["rows"] for run in row["runs"]]
    known = [cores for cores in others if cores is not None]
    notes = (
        f"{result['calls']} calls of {result['call_seconds']} s, {result['width']}x"
        f"{result['height']}, method `{result['method']}`, {result['threads']} threads for all "
        f"workers together; median of {result['repeats']} rounds. Start and writing included."
    )
    if known:
        notes += f" Other processes used {max(known):.2f} cores at most."
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


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
            mean = {key: _mean(row[key] for row in mine) for key in _QUALITY_FIGURES}
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


def _mean(values: Iterable[float | None]) -> float | None:
    """Average the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def masks_table(result: Json) -> str:
    """One row per model: cost of a mask of a 1080p frame, and agreement with OpenCV's mask."""
    threads = distinct(count for row in result["rows"] for count in row["milliseconds"])
    header = ["model"]
    header += [f"ms, {count} thread{'s' * (count != '1')}" for count in threads]
    header += ["of which sampling", "ms, with detector", "agreement with OpenCV (IoU)"]
    body = [
        [
            f"`{row['model']}`",
            *(significant(row["milliseconds"][count]) for count in threads),
            significant(row["sampling_milliseconds"]),
            significant(row["searching_milliseconds"]) if row["searching_milliseconds"] else "",
            f"{row['iou']:.3f}",
        ]
        for row in result["rows"]
    ]
    load = result["machine"]["load_average_at_start"]
    note = f"The load average at the start was {load:.1f}: " + (
        "the machine was busy, and times with all its cores are too long."
        if load > 1
        else "the machine was idle."
    )
    return f"{markdown(header, body)}\n\n{note} {machine_line(result['machine'])}"


def protect_table(result: Json) -> str:
    """One row per model and `--every`: frames/s, latency and the cost of blending."""
    body = [
        [
            f"`{row['model']}`",
            str(row["every"]),
            significant(row["memory_frames_per_second"]),
            significant(row["memory_cpu_ms_per_frame"]),
            significant(row["latency_p50_ms"]),
            significant(row["latency_p95_ms"]),
            significant(row["blend_ms"]),
            significant(row["file_frames_per_second"]),
        ]
        for row in result["rows"]
    ]
    header = ["`--model`", "`--every`", "in memory, frames/s", "CPU ms", "latency p50 ms", "p95 ms"]
    header += ["of which blending ms", "file to file, frames/s"]
    notes = (
        f"1920x1080, {result['frames']} frames of `{result['clip']}` scaled up, mode "
        f"{result['mode']}, {result['threads']} threads; median of {result['repeats']} rounds."
    )
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


def roundtrip_table(result: Json) -> str:
    """One row per model: the shares of the room that `recover` claims in a protected call."""
    shares = ("claimed_share", "confident_share", "right_share", "confident_right_share")
    body = [
        [
            f"`{row['model']}`",
            f"{row['edge']:g}",
            str(row["smooth"]),
            str(row["every"]),
            *(f"{row[share]:.1%}" for share in shares),
        ]
        for row in result["rows"]
    ]
    header = ["`--model`", "`--edge`", "`--smooth`", "`--every`", "claimed", "confident"]
    header += ["claimed, correct", "confident, correct"]
    length = "all" if result["end_seconds"] is None else f"{result['end_seconds']:g} s"
    notes = (
        f"Shares of all pixels; {length} of `{result['clip']}` with a still background. "
        "Confident: confidence over 0.5. Correct: within CIEDE2000 10 of the room in the footage; "
        "the other claims are colours of the person."
    )
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


def matte_table(result: Json) -> str:
    """One row per model: IoU, person cut off and room shown, against a chroma key."""
    columns = {
        "raw_at_half": "threshold 0.5",
        "raw_at_edge": f"threshold {result['edge']:g}",
        "shown": "shown",
    }
    header = ["`--model`"]
    header += [
        f"{name}: {what}"
        for name in columns.values()
        for what in ("IoU", "person cut off", "room shown")
    ]
    body = [
        [
            f"`{row['model']}`",
            *(
                text
                for column in columns
                for text in (
                    [
                        f"{row[column]['iou']:.3f}",
                        f"{row[column]['cut']:.1%}",
                        f"{row[column]['room']:.1%}",
                    ]
                    if column in row
                    else [""] * 3
                )
            ),
        ]
        for row in result["rows"]
    ]
    notes = (
        f"{result['frames']} frames of `{result['clip']}` from number {result['first']}, against a "
        "chroma key. Threshold: the network's probability. Shown: `protect` with its defaults."
    )
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


def live_table(result: Json) -> str:
    """One row per size and model: delay, frames/s and CPU time of `unveil live` in a browser."""
    long = any("growth_bytes" in row for row in result["rows"])
    header = ["camera", "`--model`", "", "median ms", "p95 ms", "frames/s", "dropped"]
    header += ["CPU ms per frame", "of it the process", "MB"]
    if long:
        header += ["first minute ms", "last minute ms", "growth MB"]
    body = []
    for row in result["rows"]:
        with_these = [
            name for key, name in (("meter", "leak meter"), ("whip", "WHIP")) if row.get(key)
        ]
        kind = "with " + " and ".join(with_these) if with_these else ""
        kind = "WebRTC both ways" if row["webrtc"] else kind
        cells = [row["size"], f"`{row['model']}`", kind]
        cells += [significant(row["median_ms"]), significant(row["p95_ms"])]
        cells += [f"{row['frames_per_second']:.1f}", f"{row['dropped_share']:.1%}"]
        cells += [significant(row["cpu_ms_per_frame"])]
        cells += [significant(row["process_cpu_ms_per_frame"]), megabytes(row["resident_bytes"])]
        if long:
            cells += [significant(row["first_minute_median_ms"])]
            cells += [significant(row["last_minute_median_ms"]), megabytes(row["growth_bytes"])]
        body.append(cells)
    notes = (
        f"{result['seconds']} s a row, `{result['clip']}` as a camera of {result['camera_rate']} "
        f"frames/s, mode replace; {result['browser']}. CPU time of the process and the browser; "
        "memory of the process."
    )
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


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
                        (_mean(row["ssim"] for row in own), ".3f"),
                        (_mean(row["psnr"] for row in own), ".1f"),
                        (_mean(row["flicker"] for row in own), ".2f"),
                    )
                ),
                _mbit(_mean(row["bit_rate"] for row in own)),
                f"{best:.3f}",
                f"{best / before:.0%}",
            ]
        )
        for field, body in tables.items():
            means = (
                _mean(row["attacks"].get(attack, {}).get(field) for row in own)
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


def edges_table(result: Json) -> str:
    """One row per way to cut out the person: room shown, person cut off, F; means of calls."""
    rows = result["rows"]
    names = distinct(row["edge"] for row in rows)
    rooms = {name: _mean(row["room"] for row in rows if row["edge"] == name) for name in names}
    header = ["", "room shown", "of the first row", "worst frame", "strongly leaked"]
    header += ["person cut off", "F of the best attack", "room recovered"]
    body = []
    for name in names:
        own = [row for row in rows if row["edge"] == name]
        f, right = (_mean(row.get(field) for row in own) for field in ("f", "right"))
        body.append(
            [
                name,
                f"{rooms[name]:.2%}",
                f"{(rooms[name] or 0) / (rooms[names[0]] or 1):.0%}",
                f"{max(row['worst_room'] for row in own):.1%}",
                f"{_mean(row['strong'] for row in own):.1%}",
                f"{_mean(row['cut'] for row in own):.1%}",
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


TABLES: Mapping[str, Callable[[Json], str]] = {
    "speed": speed_table,
    "memory": memory_table,
    "startup": startup_table,
    "batch": batch_table,
    "long": long_table,
    "workers": workers_table,
    "scaling": scaling_table,
    "quality": quality_table,
    "confidence": confidence_table,
    "masks": masks_table,
    "matte": matte_table,
    "protect": protect_table,
    "roundtrip": roundtrip_table,
    "live": live_table,
    "shields": shields_table,
    "edges": edges_table,
}


def _mbit(bit_rate: float | None) -> str:
    return "" if bit_rate is None else f"{bit_rate / 1e6:.2f}"


def _speed_cells(row: Json | None) -> list[str]:
    if row is None:
        return ["", "", ""]
    mark = r" \*" if row["scaled"] else ""
    return [
        f"{significant(row['frames_per_second'])}{mark}",
        f"{significant(row['times_floor'])}{mark}",
        f"{megabytes(row['peak_rss_bytes'])}{mark}",
    ]


def _stage_table(rows: Sequence[Json]) -> str:
    """Seconds of unveil by stage; decoding overlaps with counting."""
    with_stages = [row for row in rows if row["stages"]]
    names = distinct(name for row in with_stages for name in row["stages"])
    header = ["seconds by stage (they overlap)", "threads", "call", *names]
    body = [
        [
            row["contender"],
            str(row["threads"]),
            f"{row['height']}p, {row['call_frames']:,} frames",
            *(f"{row['stages'][name]:.2f}" if name in row["stages"] else "" for name in names),
        ]
        for row in with_stages
    ]
    return markdown(header, body) if body else ""
