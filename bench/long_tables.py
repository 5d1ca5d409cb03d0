"""Markdown tables of the results about long recordings and many cores."""

from __future__ import annotations

from bench.cells import Json, distinct, machine_line, markdown, megabytes, significant


def long_table(result: Json) -> str:
    """One row per figure of the long run, then one row per kill."""
    long, kills = result["long"], result["kills"]
    seconds = long["report_seconds"]
    body = [
        ["segments", f"{long['segments']:,}"],
        ["wall time", f"{significant(long['seconds'] / 60)} minutes"],
        ["times real time", significant(3600 * long["hours"] / long["seconds"])],
        ["CPU time", f"{significant(long['cpu_seconds'] / 60)} minutes"],
        *_memory_rows(long["early_bytes"], long["late_bytes"]),
        ["peak in the first 15 minutes of footage", f"{megabytes(long['early_peak_bytes'])} MB"],
        ["peak of counting after that", f"{megabytes(long['later_peak_bytes'])} MB"],
        ["peak of all", f"{megabytes(long['peak_bytes'])} MB"],
        ["writing checkpoints", f"{seconds['checkpoint']:.1f} s"],
        ["share of the wall time of counting", f"{seconds['checkpoint'] / seconds['count']:.2%}"],
    ]
    notes = (
        f"`unveil recover` with `--workers {result['workers']} --threads {result['threads']}`, "
        f"method `{result['method']}`, {result['height']}p, {long['hours']:.2f} hours, "
        f"{long['frames']:,} frames. Memory of all processes, shared pages divided."
    )
    if long["others_cores"] is not None:
        notes += f" Other processes used {long['others_cores']:.2f} cores meanwhile."
    parts = [markdown(["long recording", ""], body), notes]
    if kills:
        rows = [
            [
                f"{kill['killed_after_seconds']:.0f} s of {kill['whole_seconds']:.0f} s",
                f"{kill['frames_counted']:,}",
                f"{kill['frames_kept']:,}",
                f"{kill['lost_seconds']:.1f} s",
                f"{kill['resumed_seconds']:.0f} s",
                "yes" if kill["same_files"] else "NO",
            ]
            for kill in kills
        ]
        header = ["killed after", "frames counted", "in the checkpoint", "work lost"]
        header += ["second run", "same files"]
        parts.append(markdown(header, rows))
    return "\n\n".join([*parts, machine_line(result["machine"])])


def _memory_rows(early: float | None, late: float) -> list[list[str]]:
    """Return the memory at two times; a call that is too short has no early one."""
    rows = [["memory at the end of counting (median)", f"{megabytes(late)} MB"]]
    if early is not None:
        after = ["memory after 10 minutes of footage (median)", f"{megabytes(early)} MB"]
        rows = [after, *rows, ["difference", f"{late / early - 1:+.1%}"]]
    return rows


def workers_table(result: Json) -> str:
    """One row per contender: wall and CPU time, and its ratio to decoding in the same round."""
    rows = result["rows"]
    body = [
        [
            row["contender"],
            significant(row["seconds"]),
            significant(row["cpu_seconds"]),
            significant(result["frames"] / row["seconds"]),
            f"{row['times_decoding']:.2f}",
            f"{row['times_decoding_cpu']:.2f}",
        ]
        for row in rows
    ]
    header = ["", "seconds", "CPU seconds", "frames/s", "x decoding", "x decoding, CPU"]
    busy = [run["others_cores"] for row in rows for run in row["runs"]]
    known = [cores for cores in busy if cores is not None]
    notes = (
        f"{result['height']}p, {result['frames']:,} frames, method `{result['method']}`, "
        f"{result['threads']} threads in all; median of {result['repeats']} rounds, in which all "
        "take turns. Start and writing included."
    )
    if known:
        notes += f" Other processes used {max(known):.2f} cores at most."
    return "\n\n".join([markdown(header, body), notes, machine_line(result["machine"])])


def scaling_table(result: Json) -> str:
    """Show the costs of the stages, then one table per scenario, and what saturates."""
    stages = [
        [name, f"{cost['seconds']:.3f}", f"{cost['cpu_seconds']:.3f}"]
        for name, cost in result["stages"].items()
    ]
    stage_notes = (
        f"Segments of {result['segment_seconds']:.0f} s, {result['segment_frames']:,} frames of "
        f"{result['height']}p, method `{result['method']}`; {result['processes']} "
        f"processes at once, one thread each. A state has {megabytes(result['state_bytes'])} MB."
    )
    parts = [markdown(["stage", "seconds", "CPU seconds"], stages), stage_notes]
    bandwidths = distinct(row["bits_per_second"] for row in result["rows"])
    for scenario in distinct(row["scenario"] for row in result["rows"]):
        own = [row for row in result["rows"] if row["scenario"] == scenario]
        header = ["cores", "recordings", "segments"]
        for bandwidth in bandwidths:
            header += [f"{bandwidth / 1e9:g} Gbit/s: wall time", "efficiency", "limit"]
        body = []
        for cores in distinct(row["cores"] for row in own):
            rows = {row["bits_per_second"]: row for row in own if row["cores"] == cores}
            first = next(iter(rows.values()))
            cells = [f"{cores:,}", f"{first['recordings']:,}", f"{first['segments']:,}"]
            for bandwidth in bandwidths:
                row = rows[bandwidth]
                cells += [_duration(row["seconds"]), f"{row['efficiency']:.0%}", row["limit"]]
            body.append(cells)
        parts += [f"{scenario}:", markdown(header, body)]
    parts += [_saturation(result), _comparison(result), machine_line(result["machine"])]
    return "\n\n".join(part for part in parts if part)


def _saturation(result: Json) -> str:
    """Say for 16 and for the most cores what limits each scenario."""
    lines = []
    most = max(row["cores"] for row in result["rows"])
    for cores in (16, most):
        said = [
            f"{row['scenario'].split(',')[0].lower()} at {row['bits_per_second'] / 1e9:g} Gbit/s "
            f"{row['efficiency']:.0%} ({row['limit']})"
            for row in result["rows"]
            if row["cores"] == cores
        ]
        if said:
            lines.append(f"- {cores:,} cores: {'; '.join(said)}.")
    return "\n".join(["Efficiency, and what limits it:", "", *lines])


def _comparison(result: Json) -> str:
    """Compare the prediction for a cluster of this machine with a run."""
    check = result.get("check")
    if check is None:
        return ""
    error = check["predicted_seconds"] / check["measured_seconds"] - 1
    return (
        f"Check: a local cluster of {check['workers']} workers took "
        f"{check['measured_seconds']:.1f} s for a recording of {check['segments']} segments; the "
        f"model predicts {check['predicted_seconds']:.1f} s ({error:+.0%}). Other processes used "
        f"{check['others_cores'] or 0:.2f} cores meanwhile."
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
