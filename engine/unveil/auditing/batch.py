"""Audits of several calls, each in its own folder, and an index of their pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import quote

from unveil.auditing.saved import AuditFiles, audits_in, read_audit
from unveil.errors import InvalidParameter, OutputExists, UnveilError
from unveil.files import is_there, replacing
from unveil.folder_lock import one_at_a_time
from unveil.interruption import StopRequested, never
from unveil.recovery.batch import Inputs, gather_inputs, recover_all
from unveil.recovery.jobs.outcome import DONE, Outcome
from unveil.recovery.parameters import (
    WATCHDOG_SECONDS,
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
)
from unveil.recovery.result import AUDIT, PAGE
from unveil.redaction import described
from unveil.video.source import Source, is_address

if TYPE_CHECKING:
    from unveil.progress import Progress


@dataclass(frozen=True, slots=True)
class AuditOutcome(Outcome):
    """The outcome of one input.

    Attributes
    ----------
    audit
        As `Audit.as_dict`; None unless the input was audited, now or by an earlier run.

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
    inputs: Inputs | Sequence[str | os.PathLike[str] | Source],
    out: str | os.PathLike[str],
    *,
    force: bool = False,
    skip_done: bool = True,
    tiles: TilesArgument = "auto",
    catalogue: str | os.PathLike[str] | None = None,
    redacts: bool = False,
    isolate: bool | None = None,
    watchdog_seconds: float = WATCHDOG_SECONDS,
    max_memory: int | None = None,
    on_start: Callable[[Source], object] | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[AuditOutcome], object] | None = None,
    stop: StopRequested = never,
    workers: int | None = None,
    resume: bool = True,
    **options: Unpack[RecoverKeywords],
) -> list[AuditOutcome]:
    """Audit each input into its own folder, named after the input, in `out`.

    `out`/index.html lists all audits in `out`, if there are several.

    Parameters
    ----------
    inputs, force, tiles, catalogue, isolate, watchdog_seconds, max_memory, stop, workers, resume
    options
        As for `unveil.recover_all`; the catalogue also has columns about the audits.
    out
        A folder, made if it is missing.
    skip_done
        Skip an input whose audit in `out` was made from the same content, with the same
        parameters and by the same version. What is there of the same without an audit, or without
        a copy that is wanted, is made anew. Any other earlier result makes the input fail.
    redacts
        Write a copy of each call in which what leaks is covered, too.
    on_start, progress, on_outcome
        As for `unveil.recover_all`.

    Returns
    -------
    outcomes
        One for each input: first of those that name nothing, then of the sources in their order.
        An input that fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range, `out` is an address, or a copy is wanted with a stride or a
        crop; no source was started.
    OutputExists
        `out`/index.html is no index of audits, or the catalogue's file is something else, and
        `force` is not set; no source was started.
    OutputBusy
        Another process writes one of the results now; no source was started.

    Otherwise as for `unveil.recover_all`.
    """
    if is_address(os.fspath(out)):
        raise InvalidParameter(
            f"out: {described(os.fspath(out))} is an address; audits are written into a folder of "
            "this machine, so name one"
        )
    out = Path(out)
    gathered = inputs if isinstance(inputs, Inputs) else gather_inputs(inputs)
    chosen = RecoverOptions(**options)
    if redacts and (chosen.stride != 1 or chosen.crop is not None):
        raise InvalidParameter("redacts: a copy has all frames and the whole picture; leave it out")
    _refuse_other_index(out, force=force)
    outcomes: list[AuditOutcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(_with_audit(outcome))
        if on_outcome is not None:
            on_outcome(outcomes[-1])

    try:
        recover_all(
            gathered,
            out,
            force=force,
            skip_done=skip_done,
            tiles=tiles,
            catalogue=catalogue,
            isolate=isolate,
            watchdog_seconds=watchdog_seconds,
            max_memory=max_memory,
            on_start=on_start,
            progress=progress,
            on_outcome=add,
            save=AuditFiles(redacts),
            stop=stop,
            workers=workers,
            resume=resume,
            **options,
        )
    finally:
        outcomes.sort(key=lambda outcome: -1 if outcome.number is None else outcome.number)
        if any(outcome.audit for outcome in outcomes):
            _write_index(out, outcomes)
    return outcomes


def _with_audit(outcome: Outcome) -> AuditOutcome:
    """Return an outcome with the audit that is in its folder; without one the input failed."""
    values = {field.name: getattr(outcome, field.name) for field in fields(Outcome)}
    audit = None
    if outcome.state in DONE and outcome.folder is not None:
        audit = read_audit(outcome.folder)
        if audit is None:
            path = outcome.folder / AUDIT
            error = UnveilError(f"{path}: cannot be read again; run the same command once more")
            values |= {"state": "failed", "error": error, "folder": None}
    return AuditOutcome(**values, audit=audit)


def _refuse_other_index(out: Path, *, force: bool) -> None:
    from unveil.auditing.page import is_own_page

    index = out / PAGE
    if not force and is_there(index) and not is_own_page(index):
        raise OutputExists(
            f"{index}: is no index of audits; choose another folder, or --force to replace it"
        )


def _write_index(out: Path, outcomes: Sequence[AuditOutcome]) -> None:
    """List the audits in a folder, and the inputs that failed; one audit needs no index."""
    from unveil.auditing.page import Entry, render_index

    # Two runs that end at once: the second one lists the results of both.
    with one_at_a_time(out):
        entries = [
            Entry(audit["input"], f"{quote(name)}/{PAGE}", audit["grade"], audit["verdict"])
            for name, audit in audits_in(out)
        ]
        entries += [
            Entry(outcome.name, None, None, outcome.problem or outcome.state)
            for outcome in outcomes
            # Where an earlier result was kept, its page is listed.
            if outcome.state == "failed" and not isinstance(outcome.error, OutputExists)
        ]
        if len(entries) > 1 or is_there(out / PAGE):
            with replacing(out / PAGE) as temporary:
                temporary.write_text(render_index(entries), encoding="utf-8", errors="replace")
