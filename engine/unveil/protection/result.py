"""`Protection`: what `protect` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unveil.redaction import printable


@dataclass(frozen=True, slots=True)
class Protection:
    """The outcome of `protect`.

    Attributes
    ----------
    output
        The file, or the pattern of pictures; None for a pipe or a camera.
    report
        The content of the report file.
    interrupted
        Whether Ctrl-C or a request to stop came while frames were protected, or Ctrl-C while the
        output was completed.
    live
        Whether nothing says that the input ends (a camera, a stream, a pipe), so that this is how
        it ends.
    complete
        Whether the output holds all frames.
    """

    output: Path | None
    report: dict[str, Any] = field(repr=False)
    interrupted: bool = False
    live: bool = False
    complete: bool = True

    @property
    def summary(self) -> str:
        """The result in one line."""
        report = self.report
        parts = [f"{report['frames']} frames at {report['frames_per_second']:.0f}/s"]
        if report["frames_failed_closed"]:
            parts.append(f"{report['frames_failed_closed']} show the background alone")
        if report["frames_held"]:
            parts.append(f"{report['frames_held']} came too fast and were left out")
        return f"{self._shown_output}: {', '.join(parts)}"

    @property
    def unfinished(self) -> str | None:
        """What is missing after an interruption, in one line; None if nothing is."""
        if self.complete or self.live:
            return None
        seconds = self.report["protected_seconds"]
        return f"{self._shown_output} ends at {seconds:.1f} s, the rest is not done"

    @property
    def _shown_output(self) -> str:
        # The report may be passed on, so it has the name without the folder.
        if self.output is None:
            return str(self.report["output"]["name"])
        return printable(str(self.output))

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings, one line each."""
        report = self.report
        notes = list(report["warnings"])
        if report["truncated"]:
            notes.append(f"{report['truncated']}; protected what could be read")
        if report["frames_damaged"]:
            notes.append(f"{report['frames_damaged']} damaged frames were left out")
        if report["segmentation_failed"] or report["composition_failed"]:
            notes.append(
                f"{report['segmentation_failed'] + report['composition_failed']} frames failed and "
                f"show the background alone ({report['last_error']})"
            )
        if report["parameters"]["model"] == "auto" and report["models"]:
            used = ", ".join(f"{model} in {n}" for model, n in report["models"].items())
            notes.append(f"model auto found the person by {used} of {report['frames']} frames")
        return tuple(notes)
