"""Audits of several calls in turn, each in its own folder, and an index of their pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import quote

from unveil.errors import InvalidParameter, OutputExists
from unveil.files import is_there, replacing
from unveil.interruption import StopRequested, never
from unveil.recovery.batch import recover_all
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions, TilesArgument
from unveil.recovery.result import AUDIT, PAGE, REDACTED
from unveil.video.source import Source

if TYPE_CHECKING:
    from os import PathLike

    from unveil.auditing.page import Entry
    from unveil.progress import Progress
    from unveil.recovery.result import Recovery
    from unveil.recovery.tiles import TileRecoveries

_MP4_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})


@dataclass(frozen=True, slots=True)
class AuditOutcome(Outcome):
    """The outcome of one input.

    Attributes
    ----------
    audit
        As `Audit.as_dict`; None unless the input was audited.

    The others are those of `Outcome`.
    """

    audit: Mapping[str, Any] | None = None

    @property
    def page(self) -> Path | None:
        """The page of the call."""
        return None if self.folder is None else self.folder / PAGE

    def exceeds(self, share: float) -> bool:
        """Whether more than a share of any caller's picture leaks, or that cannot be said."""
        if self.audit is None:
            return False
        leaked = [caller["leaked_share"] for caller in self.audit["callers"]]
        return any(one is None or one > share for one in leaked)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of `audit --json`."""
        return {
            "input": self.name,
            "state": "audited" if self.state == "recovered" else self.state,
            "page": None if self.page is None else str(self.page),
            "error": self.problem,
            "notes": list(self.notes),
            "audit": self.audit,
        }


def audit_all(
    sources: Sequence[Source],
    out: str | PathLike[str],
    *,
    missing: Sequence[Outcome] = (),
    force: bool = False,
    tiles: TilesArgument = "auto",
    redacts: bool = False,
    on_start: Callable[[Source], object] | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[AuditOutcome], object] | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> list[AuditOutcome]:
    """Audit each source into its own folder, `out`/`source.stem`.

    `out`/index.html lists all audits in `out`, if there are several.

    Parameters
    ----------
    sources, out, force, tiles, on_start, progress, stop, options
        As for `unveil.recovery.batch.recover_all`.
    missing
        Outcomes of arguments that name no input, for the index.
    redacts
        Write a copy of each call in which what leaks is covered, too.
    on_outcome
        Called with the outcome of a source as soon as it is known.

    Returns
    -------
    outcomes
        One for each source, in their order. A source that fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range, or a copy is wanted with a stride or a crop; no source was
        started.
    OutputExists
        `out`/index.html is no index of audits and `force` is not set; no source was started.

    Otherwise as for `recover_all`.
    """
    out = Path(out)
    chosen = RecoverOptions(**options)
    if redacts and (chosen.stride != 1 or chosen.crop is not None):
        raise InvalidParameter("redacts: a copy has all frames and the whole picture; leave it out")
    _refuse_other_index(out, force=force)
    audits: dict[Path, Mapping[str, Any]] = {}
    outcomes: list[AuditOutcome] = []

    def save(source: Source, recovered: Recovery | TileRecoveries, folder: Path) -> None:
        audits[folder] = _write_audit(source, recovered, folder, chosen, stop)
        if redacts:
            told = None if progress is None else partial(progress, source)
            _write_copy(source, recovered, folder, options, told, stop)

    def add(outcome: Outcome) -> None:
        values = {field.name: getattr(outcome, field.name) for field in fields(Outcome)}
        audit = None if outcome.folder is None else audits.pop(outcome.folder)
        outcomes.append(AuditOutcome(**values, audit=audit))
        if on_outcome is not None:
            on_outcome(outcomes[-1])

    try:
        recover_all(
            sources,
            out,
            force=force,
            tiles=tiles,
            on_start=on_start,
            progress=progress,
            on_outcome=add,
            save=save,
            skip_done=False,
            stop=stop,
            **options,
        )
    finally:
        if any(outcome.audit for outcome in outcomes):
            _write_index(out, [*missing, *outcomes])
    return outcomes


def _write_audit(
    source: Source,
    recovered: Recovery | TileRecoveries,
    folder: Path,
    options: RecoverOptions,
    stop: StopRequested,
) -> Mapping[str, Any]:
    # Imported late, as below: a missing file needs no Numba.
    from unveil.auditing.audit import audit_of

    audit = audit_of(recovered, source, options, stop)
    audit.write(folder, force=True)
    return audit.as_dict()


def _write_copy(
    source: Source,
    recovered: Recovery | TileRecoveries,
    folder: Path,
    options: RecoverKeywords,
    progress: Callable[[Progress], object] | None,
    stop: StopRequested,
) -> None:
    from unveil.auditing.redact import redact

    suffix = "" if source.path is None else source.path.suffix.lower()
    redact(
        source,
        folder / (REDACTED[0] if suffix in _MP4_SUFFIXES else REDACTED[1]),
        recovered=recovered,
        force=True,
        progress=progress,
        stop=stop,
        **options,
    )


def _refuse_other_index(out: Path, *, force: bool) -> None:
    from unveil.auditing.page import is_own_page

    index = out / PAGE
    if not force and is_there(index) and not is_own_page(index):
        raise OutputExists(
            f"{index}: is no index of audits; choose another folder, or --force to replace it"
        )


def _write_index(out: Path, outcomes: Sequence[Outcome]) -> None:
    """List the audits in a folder, and the inputs that failed; one audit needs no index."""
    from unveil.auditing.page import Entry, render_index

    entries = [entry for path in sorted(out.glob(f"*/{AUDIT}")) if (entry := _entry_of(path))]
    entries += [
        Entry(outcome.name, None, None, outcome.problem or outcome.state)
        for outcome in outcomes
        # Where an earlier result was kept, its page is listed.
        if outcome.state == "failed" and not isinstance(outcome.error, OutputExists)
    ]
    if len(entries) > 1 or is_there(out / PAGE):
        with replacing(out / PAGE) as temporary:
            temporary.write_text(render_index(entries), encoding="utf-8", errors="replace")


def _entry_of(path: Path) -> Entry | None:
    """Read the index's entry of an audit; None where the file is not one."""
    from unveil.auditing.page import Entry

    try:
        audit = json.loads(path.read_bytes())
        name, verdict, grade = audit["input"], audit["verdict"], audit["grade"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    texts = isinstance(name, str) and isinstance(verdict, str)
    if not texts or grade not in ("A", "B", "C", "D", None):
        return None
    return Entry(name, f"{quote(path.parent.name)}/{PAGE}", grade, verdict)
