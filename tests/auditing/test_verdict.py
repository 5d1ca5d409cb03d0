"""Shares, grades, sentences and times of calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auditing.audits import claims, leak_times_of, recovery_of
from unveil.auditing.verdict import GRADES, Leak, clock, grade_of, leak_of, percent
from unveil.recovery.result import Recovery


@pytest.mark.parametrize(
    ("share", "letter"),
    [
        (0.0, "A"),
        (0.00499, "A"),
        (0.005, "B"),
        (0.0299, "B"),
        (0.03, "C"),
        (0.0999, "C"),
        (0.1, "D"),
        (1.0, "D"),
    ],
)
def test_a_grade_begins_at_its_share(share: float, letter: str) -> None:
    assert grade_of(share).letter == letter


def test_grades_are_listed_from_the_best() -> None:
    shares = [grade.from_share for grade in GRADES]
    assert shares == sorted(set(shares))
    assert shares[0] == 0


def test_a_verdict_says_how_much_when_and_how_sure() -> None:
    leak = Leak(0.041, 0.012, worst_seconds=724.2, worst_share=0.03)
    assert leak.verdict == (
        "About 4% of the room can be reconstructed, most of it at 12:04; certain for 1%."
    )
    assert "reconstructed, the most at 12:04;" in replace(leak, worst_share=0.02).verdict
    assert replace(leak, worst_seconds=None).verdict == (
        "About 4% of the room can be reconstructed; certain for 1%."
    )
    assert "none of it is certain" in replace(leak, confident_share=0.0).verdict


def test_a_verdict_gives_the_range_that_is_known() -> None:
    leak = Leak(0.06, 0.01, likely_range=(0.041, 0.09))
    assert leak.verdict.startswith("About 6% (probably 4% to 9%) of the room can be reconstructed;")
    assert "6% of the room" in replace(leak, likely_range=(0.0601, 0.0602)).verdict
    assert grade_of(0.06) is leak.grade


@pytest.mark.parametrize(
    "report",
    [{"decided_by": "transitions"}, {"background": "pans"}, {"background": None}],
)
def test_a_range_is_given_only_where_it_was_measured(report: dict[str, str | None]) -> None:
    recovery = recovery_of(claims(0.2))
    assert leak_of(recovery).likely_range is not None
    other = replace(recovery, report={**recovery.report, **report})
    assert leak_of(other).likely_range is None


def test_a_call_without_leaks_is_not_said_to_leak() -> None:
    leak = leak_of(recovery_of(claims(0)))
    assert leak.verdict == "Nothing of the room was found in this call."
    assert leak.grade is GRADES[0]


def test_a_call_that_cannot_be_judged_has_no_grade() -> None:
    leak = leak_of(_moving())
    assert leak.grade is None
    assert "cannot be judged" in leak.verdict


def _moving() -> Recovery:
    recovery = recovery_of(claims(0))
    return replace(recovery, report={**recovery.report, "background": "moves"})


def test_shares_are_those_of_the_pixels() -> None:
    confidence = claims(0.25)
    confidence[0, :10] = 0.9
    leak = leak_of(recovery_of(confidence, leak_times=leak_times_of(30)))
    assert leak.leaked_share == pytest.approx(0.25)
    assert leak.confident_share == pytest.approx(10 / confidence.size)
    times = leak_times_of(30)
    assert leak.worst_seconds == times.start_seconds[np.argmax(times.leaked_share)]


def test_what_leaks_behind_any_background_leaks() -> None:
    first, second = claims(0.1), np.flip(claims(0.2, 0.8))
    leak = leak_of(recovery_of(first, others=(recovery_of(second),)))
    assert leak.leaked_share == pytest.approx(0.3)
    assert leak.confident_share == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (0.0004, "less than 0.1%"),
        (0.0041, "0.4%"),
        (0.0094, "0.9%"),
        (0.0096, "1%"),
        (0.154, "15%"),
        (0.997, "more than 99%"),
        (1.0, "100%"),
    ],
)
def test_percentages_have_no_false_precision(share: float, text: str) -> None:
    assert percent(share) == text


@given(st.floats(0, 1))
def test_every_share_can_be_written(share: float) -> None:
    text = percent(share)
    assert text.endswith("%")
    assert (text == "0%") == (share == 0)


@pytest.mark.parametrize(
    ("seconds", "down", "up"),
    [
        (0.0, "0:00", "0:00"),
        (9.9999999, "0:10", "0:10"),
        (59.5, "0:59", "1:00"),
        (724.2, "12:04", "12:05"),
        (3600.0, "1:00:00", "1:00:00"),
        (18000.1, "5:00:00", "5:00:01"),
    ],
)
def test_times_are_written_as_a_player_shows_them(seconds: float, down: str, up: str) -> None:
    assert clock(seconds) == down
    assert clock(seconds, up=True) == up


def test_a_blurred_room_is_graded_by_what_the_blur_shows() -> None:
    weak = Leak(leaked_share=0.001, confident_share=0.0, blur_share=0.02)
    assert weak.grade is not None
    assert weak.grade.letter == "C"
    assert "blur of the room" in weak.verdict
    assert "20%" in weak.verdict
    assert "0.1% leaked sharply" in weak.verdict
    much = Leak(leaked_share=0.2, confident_share=0.0, blur_share=0.02)
    assert much.grade is not None
    assert much.grade.letter == "D"
