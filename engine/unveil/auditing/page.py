"""The pages of an audit: HTML documents that need no other file, no network and no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unveil._version import __version__
from unveil.arrays import F32
from unveil.auditing.chart import Chart, chart_of
from unveil.auditing.countermeasures import countermeasures
from unveil.auditing.pictures import Embedded, embed, heat_map, highlighted, room_picture
from unveil.auditing.verdict import CONFIDENT, GRADES, clock, cumulative, percent
from unveil.files import BACKGROUND, ROOM
from unveil.recovery.result import REPORT, ROOM_SHARP, STATS, TIMELINE

if TYPE_CHECKING:
    from unveil.auditing.audit import Audit, CallerAudit
    from unveil.recovery.result import Recovery

PICTURE_BYTES: Final = 1_900_000
"""Characters that all pictures of a page take together, whatever the call."""

PICTURE_SIDE: Final = 1280
THUMBNAIL_SIDE: Final = 400

GENERATOR: Final = "unveil audit"
"""By this a page tells that it may be replaced by another one."""

STYLES: Final = (
    "base",
    "verdict",
    "pictures",
    "charts",
    "lists_and_tables",
    "narrow_and_print",
)
"""Style sheets of the pages in their order, as later rules win."""

_HEAD_BYTES: Final = 4096

_SHARES: Final = {"frame": 0.34, "room": 0.34, "heat": 0.12, "thumbnail": 0.04}
"""Of the pictures' budget of one caller; the thumbnails' is of each of five."""


@dataclass(frozen=True, slots=True)
class ShownMoment:
    """A worst moment as the page shows it."""

    number: int
    start: str
    end: str
    iso_start: str
    leaked: str
    confident: str
    picture: Embedded | None


@dataclass(frozen=True, slots=True)
class ShownCaller:
    """A caller as the page shows one."""

    number: int
    folder: str
    leak: Any
    frame: Embedded | None
    room: Embedded
    heat: Embedded | None
    at_once: Chart | None
    by_then: Chart | None
    moments: tuple[ShownMoment, ...]
    figures: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A call in the index of several: its page, or why there is none."""

    name: str
    href: str | None
    grade: str | None
    verdict: str


def render_page(audit: Audit) -> str:
    """Render the page of a call."""
    n_callers = len(audit.callers)
    return _rendered(
        "page.html",
        audit=audit,
        report=audit.recovery.report,
        callers=[
            _shown(caller, number, n_callers) for number, caller in enumerate(audit.callers, 1)
        ],
        help=countermeasures(),
        parameters=_parameters(audit.recovery.report),
    )


def render_index(entries: Sequence[Entry]) -> str:
    """Render the index of several calls, the worst first."""
    order: dict[str, int] = {grade.letter: -number for number, grade in enumerate(GRADES)}
    listed = sorted(entries, key=lambda one: (order.get(one.grade or "", 1), one.name))
    return _rendered("calls.html", entries=listed)


def render_summary(audit: Audit) -> str:
    """Render a summary for notebooks: a fragment without script and style sheet."""
    caller = audit.worst
    return (
        _environment()
        .get_template("summary.html")
        .render(
            audit=audit,
            frame=None
            if caller.frame is None
            else embed(caller.frame, max_side=480, max_bytes=120_000),
            room=embed(room_picture(caller.recovery), max_side=480, max_bytes=120_000),
            clock=clock,
            percent=percent,
        )
    )


def is_own_page(path: Path) -> bool:
    """Whether a file is a page that `render_page` or `render_index` made."""
    try:
        with path.open("rb") as file:
            return f'content="{GENERATOR}"'.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def _rendered(template: str, **context: Any) -> str:
    style = "\n".join(_asset(f"style/{name}.css") for name in STYLES)
    script = _asset("slider.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            generator=GENERATOR,
            version=__version__,
            grades=GRADES,
            confident=CONFIDENT,
            percent=percent,
            **context,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("unveil.auditing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    """Read a style sheet or a script of this package, which must not end its own element."""
    environment = _environment()
    assert environment.loader is not None
    text = environment.loader.get_source(environment, name)[0]
    assert "</" not in text, f"{name}: ends the element that it stands in"
    return text


def _hash(text: str) -> str:
    """Return the source expression by which a content security policy allows a text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _shown(caller: CallerAudit, number: int, n_callers: int) -> ShownCaller:
    recovery, leak = caller.recovery, caller.leak
    budget = {name: round(share * PICTURE_BYTES / n_callers) for name, share in _SHARES.items()}

    def embedded(picture: Any, kind: str, side: int) -> Embedded:
        return embed(picture, max_side=side, max_bytes=budget[kind])

    moments = tuple(
        ShownMoment(
            position,
            clock(moment.start_seconds),
            clock(moment.end_seconds, up=True),
            f"PT{moment.start_seconds:.1f}S",
            percent(moment.leaked_share),
            percent(moment.confident_share),
            None
            if moment.shot is None
            else embedded(
                highlighted(moment.shot.picture, moment.shot.leaking), "thumbnail", THUMBNAIL_SIDE
            ),
        )
        for position, moment in enumerate(caller.moments, 1)
    )
    at_once, by_then = _charts(caller)
    shows = leak.is_known and leak.leaked_share > 0
    return ShownCaller(
        number=number,
        folder=f"{caller.region.folder}/" if caller.region.folder else "",
        leak=leak,
        frame=None if caller.frame is None else embedded(caller.frame, "frame", PICTURE_SIDE),
        room=embedded(room_picture(recovery), "room", PICTURE_SIDE),
        heat=embedded(heat_map(recovery), "heat", PICTURE_SIDE // 2) if shows else None,
        at_once=at_once,
        by_then=by_then,
        moments=moments,
        figures=_figures(recovery),
        files=_files(caller),
    )


def _charts(caller: CallerAudit) -> tuple[Chart | None, Chart | None]:
    """Return the charts of what leaks at each time, and of what has leaked until then."""
    times = caller.recovery.leak_times
    if times is None or not len(times.leaked_share) or not times.leaked_share.max() > 0:
        return None, None
    stretches = tuple((one.start_seconds, one.end_seconds) for one in caller.moments)
    confident = np.minimum(times.confident_share, times.leaked_share)
    known = cumulative(times.new_share)
    return (
        chart_of(times, times.leaked_share, confident, stretches),
        chart_of(times, known, np.zeros_like(known)),
    )


def _figures(recovery: Recovery) -> tuple[tuple[str, str], ...]:
    """Return the figures for experts, as they are written."""
    report = recovery.report
    confidence: F32 = recovery.confidence[recovery.confidence > 0]
    middle = "none" if not len(confidence) else f"{float(np.median(confidence)):.2f}"
    return (
        ("Method", str(report["decided_by"])),
        ("Virtual background", str(report["background"] or "not judged")),
        ("Picture", f"{recovery.confidence.shape[1]} x {recovery.confidence.shape[0]} pixels"),
        ("Pixels with a recovered colour", f"{recovery.recovered:,}"),
        ("Median confidence of these", middle),
        ("Leaked sharply", f"{np.count_nonzero(recovery.sharp):,}"),
        ("Background known in", percent(report["background_coverage"])),
        ("Further backgrounds", str(len(recovery.others))),
    )


def _files(caller: CallerAudit) -> tuple[tuple[str, str], ...]:
    """Return the files of a caller, relative to the page, and what they are."""
    inside = f"{caller.region.folder}/" if caller.region.folder else ""
    files = [
        (ROOM, "the recovered room; transparency is the confidence"),
        *(
            [(ROOM_SHARP, "what of it leaked sharply")]
            if caller.recovery.report.get("blur")
            else []
        ),
        (BACKGROUND, "the virtual background"),
        (STATS, "one row per pixel"),
        (REPORT, "parameters, counts and warnings"),
    ]
    if caller.recovery.leak_times is not None:
        files.insert(3, (TIMELINE, "what leaks, by time"))
    files += [
        (f"background-{number}/{ROOM}", f"the room recovered behind background {number}")
        for number in range(2, 2 + len(caller.recovery.others))
    ]
    return tuple((inside + name, meaning) for name, meaning in files)


def _parameters(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, "default" if value is None else str(value))
        for name, value in report["parameters"].items()
    ]
