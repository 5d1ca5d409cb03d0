"""Markdown tables of the results about person masks, `protect` and `live`."""

from __future__ import annotations

from bench.cells import Json, distinct, machine_line, markdown, megabytes, significant


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
