"""Markdown tables of the results about time and memory of `recover`."""

from __future__ import annotations

from collections.abc import Sequence

from bench.cells import Json, distinct, machine_line, markdown, megabytes, significant


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
