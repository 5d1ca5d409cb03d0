"""Audits that are saved in folders: how they are written, and read again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from unveil._version import __version__
from unveil.errors import Interrupted
from unveil.files import is_there
from unveil.interruption import StopRequested
from unveil.recovery.jobs.job import FurtherColumn, FurtherFiles
from unveil.recovery.parameters import RecoverKeywords, RecoverOptions
from unveil.recovery.result import AUDIT, PAGE, REDACTED, REDACTED_REPORT
from unveil.video.source import Source

if TYPE_CHECKING:
    from unveil.progress import ProgressCallback
    from unveil.recovery.result import Recovery
    from unveil.recovery.tiles import TileRecoveries

_MAX_BYTES: Final = 64 * 2**20
_MP4_SUFFIXES: Final = frozenset({".mp4", ".m4v", ".mov"})


@dataclass(frozen=True, slots=True)
class AuditFiles(FurtherFiles):
    """Writes the audit of what was recovered.

    Attributes
    ----------
    redacts
        Write a copy of the call in which what leaks is covered, too.
    """

    columns = (
        FurtherColumn("grade", "string", "1", "Grade of the call, A to D, null without one"),
        FurtherColumn("verdict", "string", "1", "The result in one sentence"),
        FurtherColumn("leaked_share", "float64", "1", "Share that leaks, of the worst caller"),
        FurtherColumn("confident_share", "float64", "1", "Share with a confidence over 0.5"),
        FurtherColumn("likely_low_share", "float64", "1", "Smallest share that leaks, probably"),
        FurtherColumn("likely_high_share", "float64", "1", "Largest share that leaks, probably"),
    )

    redacts: bool = False

    def write(
        self,
        source: Source,
        recovered: Recovery | TileRecoveries,
        folder: Path,
        options: RecoverKeywords,
        progress: ProgressCallback,
        stop: StopRequested,
    ) -> None:
        """Write the recovery, audit.json, index.html, and the copy if it is wanted.

        Raises
        ------
        Interrupted
            `stop` asked for it, before all files were complete; no copy remains.
        CannotRedact, InvalidParameter
            As for `unveil.redact`; the page is complete then.
        OutputUnwritable
            A file cannot be written.
        """
        # Imported late: an input that is skipped needs no Numba.
        from unveil.auditing.audit import audit_of
        from unveil.parallel import on_first_compile
        from unveil.progress import Progress

        with on_first_compile(lambda: progress(Progress("compile"))):
            audit = audit_of(recovered, source, RecoverOptions(**options), stop, progress)
            progress(Progress("finalise"))
            audit.write(folder, force=True)
            if not self.redacts:
                return
            from unveil.auditing.redact import redact

            suffix = "" if source.path is None else source.path.suffix.lower()
            copy = folder / (REDACTED[0] if suffix in _MP4_SUFFIXES else REDACTED[1])
            done = redact(
                source,
                copy,
                recovered=recovered,
                force=True,
                progress=progress,
                stop=stop,
                **options,
            )
        if not done.complete:
            # The report goes first: what is left without one is no complete copy.
            for path in (folder / REDACTED_REPORT, copy):
                with suppress(OSError):
                    path.unlink()
            raise Interrupted

    def is_complete(self, folder: Path) -> bool:
        """Whether a folder holds an audit of this version with its page, and the copy if wanted."""
        if read_audit(folder) is None or not is_there(folder / PAGE):
            return False
        if not self.redacts:
            return True
        # The report is written behind the copy.
        report = _json_of(folder / REDACTED_REPORT)
        copied = any(is_there(folder / name) for name in REDACTED)
        return copied and report is not None and not report.get("interrupted")

    def row(self, folder: Path) -> Mapping[str, Any]:
        """Return what the audit in a folder says."""
        audit = read_audit(folder) or {}
        return {column.name: audit.get(column.name) for column in self.columns}


def read_audit(folder: Path) -> dict[str, Any] | None:
    """Return the content of the audit.json in a folder; None if it is none of this version."""
    audit = _json_of(folder / AUDIT)
    if audit is None or audit.get("unveil") != __version__ or not _has_verdict(audit):
        return None
    callers = audit.get("callers")
    if not isinstance(callers, list) or not callers:
        return None
    shown = all(isinstance(caller, dict) and _has_shares(caller) for caller in callers)
    return audit if shown and _has_shares(audit) else None


def audits_in(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and audit.json of each folder in `root` that holds an audit of any version."""
    for path in sorted(root.glob(f"*/{AUDIT}")):
        audit = _json_of(path)
        if audit is not None and _has_verdict(audit):
            yield path.parent.name, audit


def _json_of(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _has_verdict(audit: Mapping[str, Any]) -> bool:
    texts = isinstance(audit.get("input"), str) and isinstance(audit.get("verdict"), str)
    return texts and audit.get("grade", "") in ("A", "B", "C", "D", None)


def _has_shares(part: Mapping[str, Any]) -> bool:
    """Whether shares are there, each a number or null."""
    keys = "leaked_share", "confident_share", "likely_low_share", "likely_high_share"
    shares = [part.get(key, "") for key in keys]
    return all(share is None or type(share) in (int, float) for share in shares)
