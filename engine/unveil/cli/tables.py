"""Tables of results on standard output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from unveil.recovery.jobs.outcome import DONE
from unveil.redaction import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from unveil.auditing.batch import AuditOutcome
    from unveil.evaluation import BackgroundEvaluation
    from unveil.recovery.jobs.outcome import Outcome
    from unveil.scoring.background_metrics import InitialisationMetrics
    from unveil.scoring.leak import TruthScore
    from unveil.scoring.photo import Score

_PAGE_WIDTH: Final = 160
"""Width of a table that is written to a file or a pipe, in characters."""

_NAME_WIDTH: Final = 24
_FIGURES: Final = ("F", "leak score", "recovered")
_CALLS: Final = ("plain", "resisting")
_NUMBERS: Final = frozenset(
    {"frames", "damaged", "recovered", "confidence", "speed", "value", "pixels", "correct"}
    | {"leaks", "certain"}
    | {f"{figure}, {of}" for figure in _FIGURES for of in _CALLS}
)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a table of the outcome of each input on stdout."""
    table = _table("input", "frames", "damaged", "recovered", "confidence", "speed", "result")
    for outcome in outcomes:
        report = outcome.report
        if outcome.state in DONE:
            place = str(outcome.folder or outcome.address)
            table.add_row(
                outcome.name,
                str(report["frames_used"]),
                str(report["frames_damaged"]),
                f"{report['coverage']:.1%}",
                f"{report['mean_confidence']:.2f}",
                _speed(outcome) if outcome.state == "recovered" else "done before",
                printable(place),
            )
        else:
            reason = (outcome.problem or outcome.state).removeprefix(f"{outcome.name}: ")
            table.add_row(outcome.name, *5 * [""], reason)
    _stdout().print(table)


def print_audits(outcomes: Sequence[AuditOutcome]) -> None:
    """Print the verdict of one call, or a table of the audits of several, on stdout."""
    audited = [outcome for outcome in outcomes if outcome.audit is not None]
    console = _stdout()
    if len(outcomes) == 1:
        for outcome in audited:
            assert outcome.audit is not None
            grade = outcome.audit["grade"] or "none"
            console.print(f"{outcome.audit['verdict']} Grade {grade}.", soft_wrap=True)
            console.print(printable(str(outcome.page)), soft_wrap=True)
        return
    table = _table("input", "grade", "leaks", "certain", "result")
    for outcome in outcomes:
        if outcome.audit is None:
            reason = (outcome.problem or outcome.state).removeprefix(f"{outcome.name}: ")
            table.add_row(outcome.name, *3 * [""], reason)
            continue
        shares = [outcome.audit[key] for key in ("leaked_share", "confident_share")]
        table.add_row(
            outcome.name,
            outcome.audit["grade"] or "none",
            *("unknown" if share is None else f"{share:.1%}" for share in shares),
            printable(str(outcome.page)),
        )
    console.print(table)


def print_score(score: Score) -> None:
    """Print a table of a recovered room's score against a photo on stdout."""
    verified, measured = score.verification, score.initialisation
    side = "below" if verified.metric == "ciede2000" else "above"
    table = _table("measure", "value", "meaning")
    rows: Mapping[str, tuple[str, str]] = {
        "coverage": (f"{score.coverage:.2%}", "share of the picture that was recovered"),
        "matches": (
            str(verified.matches),
            f"recovered pixels with {verified.metric} {side} {verified.threshold:g}",
        ),
        "mismatches": (str(verified.mismatches), "the other recovered pixels"),
        "accuracy": (f"{verified.accuracy:.2%}", "share of matches among the recovered pixels"),
        **_initialisation_rows(measured),
    }
    for name, (value, meaning) in rows.items():
        table.add_row(name, "unknown" if "nan" in value else value, meaning)
    _stdout().print(table)


def print_truth_score(score: TruthScore) -> None:
    """Print tables of a recovery's score against the exact truth on stdout."""
    table = _table("measure", "value", "meaning")
    rows: dict[str, tuple[str, str]] = {
        "leak score": (
            f"{score.leak_score:.3f}",
            "weighted share of the leaks found within CIEDE2000 4 of the strongest blend (VADER)",
        ),
        "its floor": (
            f"{score.floor:.3f}",
            "leak score of the virtual background itself; a score near it is meaningless",
        ),
        "F": (f"{score.f:.3f}", "harmonic mean of recall and precision"),
        "recall": (
            f"{score.recall:.2%}",
            f"strongly leaked pixels ({score.strong_share:.2%} of all) claimed within CIEDE2000 10",
        ),
        "close recall": (f"{score.close_recall:.2%}", "the same within CIEDE2000 5"),
        "precision": (f"{score.precision:.2%}", "share of the claimed pixels that are correct"),
        "confident": (
            f"{score.confident_precision:.2%}",
            "the same for claims with a confidence over 0.5 "
            f"({score.confident_coverage:.2%} of all pixels)",
        ),
        "coverage": (f"{score.coverage:.2%}", "share of the picture that is claimed"),
    }
    for name, row in _initialisation_rows(score.room).items():
        rows[f"room {name}"] = row
    if score.background is not None:
        for name, row in _initialisation_rows(score.background).items():
            rows[f"background {name}"] = row
        rows["background error"] = (f"{score.background_error:.3f}", "in levels of full-range luma")
    for name, (value, meaning) in rows.items():
        table.add_row(name, "unknown" if "nan" in value else value, meaning)
    console = _stdout()
    console.print(table)
    console.print()
    calibration = _table("confidence", "pixels", "correct")
    for part in score.calibration:
        correct = f"{part.precision:.2%}" if part.pixels else "none"
        calibration.add_row(f"{part.low:.1f} to {part.high:.1f}", str(part.pixels), correct)
    console.print(calibration)


def print_evaluation(evaluation: BackgroundEvaluation) -> None:
    """Print tables of what attacks recover before a background, and what is seen of it."""
    attacks = _table("attack", *(f"{figure}, {of}" for figure in _FIGURES for of in _CALLS), "")
    best = max(evaluation.comparisons, key=lambda one: one.resisting.f)
    for one in evaluation.comparisons:
        both = one.plain, one.resisting
        attacks.add_row(
            one.attack,
            *(f"{outcome.f:.3f}" for outcome in both),
            *(f"{outcome.leak_score:.3f}" for outcome in both),
            *(f"{outcome.right:.1%}" for outcome in both),
            "the best" if one is best and one.resisting.f else "",
        )
    console = _stdout()
    console.print(attacks)
    console.print()
    table = _table("measure", "value", "meaning")
    seen, rate = evaluation.likeness, evaluation.bit_rate
    left = evaluation.remaining_share
    rows = {
        "F that remains": (
            "unknown" if left is None else f"{left:.0%}",
            "F of the best attack, relative to the best on the plain picture",
        ),
        "SSIM": (f"{seen.ssim:.3f}", "structural similarity to the plain picture; best 1"),
        "PSNR": (f"{seen.psnr:.1f} dB", "likeness to the plain picture; higher is better"),
        "flicker": (f"{seen.flicker:.2f}", "mean change of luma from frame to frame, in levels"),
        "bit rate": (
            "unknown" if rate is None else f"{rate / 1e6:.2f} Mbit/s",
            "of the background video",
        ),
    }
    for name, (value, meaning) in rows.items():
        table.add_row(name, value, meaning)
    console.print(table)


def _initialisation_rows(measured: InitialisationMetrics) -> dict[str, tuple[str, str]]:
    return {
        "AGE": (f"{measured.age:.3f}", "mean error of luma in levels; best 0"),
        "pEPs": (f"{measured.peps:.2%}", "pixels with an error above 20 levels; best 0"),
        "pCEPs": (f"{measured.pceps:.2%}", "those whose four neighbours are too; best 0"),
        "MS-SSIM": (f"{measured.ms_ssim:.4f}", "structural similarity of luma; best 1"),
        "PSNR": (f"{measured.psnr:.2f} dB", "of luma; higher is better"),
        "CQM": (f"{measured.cqm:.2f} dB", "of luma and chroma; higher is better"),
    }


def _speed(outcome: Outcome) -> str:
    figures = []
    if outcome.frames_per_second is not None:
        figures.append(f"{outcome.frames_per_second:.0f}/s")
    if outcome.times_real_time is not None:
        figures.append(f"{outcome.times_real_time:.1f}x")
    return ", ".join(figures)


def _table(*titles: str) -> Table:
    """Make a table of which only the last column wraps on a narrow page."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in _NUMBERS else "left",
            no_wrap=title != titles[-1],
            overflow="fold" if title == titles[-1] else "ellipsis",
            max_width=_NAME_WIDTH if title == "input" else None,
        )
    return table


def _stdout() -> Console:
    from rich.console import Console

    return Console(
        width=None if sys.stdout.isatty() else _PAGE_WIDTH, highlight=False, markup=False
    )
