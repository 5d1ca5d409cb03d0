"""Figures: totals, and the medians of the frames since they were last taken."""

from __future__ import annotations

from unveil.live.figures import Figures, resident_mb
from unveil.live.safe_protector import Protected


def test_medians_are_of_the_frames_since_the_last_time() -> None:
    figures = Figures()
    for person, compose, wait in ((1.0, 4.0, 0.5), (3.0, 5.0, 0.1), (2.0, 9.0, 0.3)):
        figures.add(Protected(person, compose, None), wait)
    figures.add(Protected(100.0, 100.0, "broken"), 0.9)
    figures.n_dropped += 2
    taken = figures.take()
    assert (taken["frames"], taken["failed"], taken["dropped"]) == (4, 1, 2)
    assert (taken["person_ms"], taken["compose_ms"], taken["wait_ms"]) == (2.5, 7.0, 0.4)
    assert taken["frames_per_second"] > 0
    figures.add(Protected(7.0, 8.0, None), 9.0)
    taken = figures.take()
    assert (taken["frames"], taken["failed"], taken["dropped"]) == (5, 1, 2)
    assert (taken["person_ms"], taken["compose_ms"], taken["wait_ms"]) == (7.0, 8.0, 9.0)
    assert figures.take()["person_ms"] is None


def test_memory_is_that_of_this_process() -> None:
    before = resident_mb()
    if before is None:  # not known on this system
        return
    kept = bytearray(b"x" * 80_000_000)
    after = resident_mb()
    assert after is not None
    assert after > before + 40
    assert len(kept) == 80_000_000
