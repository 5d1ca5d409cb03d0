"""Slow, obvious reference of what is counted outside the person: one pixel at a time.

Written from the docstrings of `unveil_kernels.counting.outside.count_outside` and `merge_outside`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

from tests.kernels.counting.naive import U16_MAX, Clock, Colour, Comparison, Slot, Slots, followed
from unveil_kernels.counting.outside import (
    FRESH_MASK_WEIGHT,
    OUTSIDE_STILLNESS,
    OUTSIDE_SURVEY_EVERY,
)
from unveil_kernels.counting.slots import EPISODE_GAP


@dataclass(frozen=True)
class Candidate:
    """A colour and the surveys that showed it."""

    colour: Colour = (0, 0, 0)
    votes: int = 0

    def voted(self, colour: Colour) -> Candidate:
        """Return it with one more vote, by a sample of it."""
        return Candidate(followed(self.colour, colour), self.votes + 1)

    @property
    def rank(self) -> tuple[int, Colour]:
        """Sorts the most voted first, of equals that with the smallest channels."""
        return -self.votes, self.colour

    def halved(self) -> Candidate:
        """Return it with half as many votes."""
        return replace(self, votes=self.votes // 2)


class OutsideSlots(Slots):
    """Slots of which the least informative one is evicted, as seen from a leader."""

    def deposit_beside(self, leader: Colour, sample: Slot) -> None:
        """Add samples of one colour."""
        if self.find(sample.colour) is None and len(self.used) == self.n:
            seen_once = [slot for slot in self.used if slot.count == 1]
            least = (
                min(seen_once, key=lambda slot: slot.last)
                if seen_once
                else min(self.used, key=lambda slot: difference(slot.colour, leader))
            )
            last = self.used.pop()
            if last is not least:
                self.used[self.used.index(least)] = last
            self.evictions = min(self.evictions + 1, U16_MAX)
        self.deposit(sample)


def is_still(before: Colour, colour: Colour) -> bool:
    return max(abs(p - q) for p, q in zip(before, colour, strict=True)) <= OUTSIDE_STILLNESS


def difference(a: Colour, b: Colour) -> int:
    return sum(abs(p - q) for p, q in zip(a, b, strict=True))


class OutsidePixel:
    """Counts the samples of one pixel that are outside the person and not its leader."""

    def __init__(self, n_slots: int, comparison: Comparison) -> None:
        # One of the colours remembered is the leader, which has no slot.
        self.slots = OutsideSlots(n_slots - 1, False, EPISODE_GAP, comparison)
        self.comparison = comparison
        self.far = min(255, comparison.tolerance + comparison.tolerance // 2)
        self.leader = Candidate()
        self.challenger = Candidate()
        self.outside_surveys = 0
        self.leader_stills = 0
        self.before: Colour | None = None
        self.surveys = 0
        self.clock = Clock()
        self.leader_seconds: frozenset[int] = frozenset()

    def see(
        self,
        frame: int,
        colour: Colour,
        second: int | None = None,
        *,
        inside: bool,
        searched: bool,
    ) -> None:
        """Count the sample of a frame."""
        is_probed = self.clock.tick(second) or frame % OUTSIDE_SURVEY_EVERY == 0
        before, self.before = self.before, colour
        if frame % OUTSIDE_SURVEY_EVERY == 0:
            self.begin_survey()
        if inside:
            return
        if frame % OUTSIDE_SURVEY_EVERY == 0:
            self.outside_surveys += 1
            self.survey(colour, frame, still=before is None or is_still(before, colour))
        if self.comparison.distance(colour, self.leader.colour) > self.far:
            n = FRESH_MASK_WEIGHT if searched else 1
            sample = Slot(colour, 1, n, frame, frame, self.clock.seconds)
            self.slots.deposit_beside(self.leader.colour, sample)
        leads = self.leader.votes > 0 and self.comparison.same(colour, self.leader.colour)
        if is_probed and leads:
            self.leader_seconds |= self.clock.seconds

    def begin_survey(self) -> None:
        """Count a survey, wherever the person is; halve all counts before one could overflow."""
        if self.surveys == U16_MAX:
            self.halve()
        self.surveys += 1

    def halve(self) -> None:
        """Halve all counts of surveys."""
        self.surveys //= 2
        self.outside_surveys //= 2
        self.leader_stills //= 2
        self.leader, self.challenger = self.leader.halved(), self.challenger.halved()

    def survey(self, colour: Colour, frame: int, *, still: bool) -> None:
        """Vote for a colour."""
        if self.comparison.same(colour, self.leader.colour):
            self.leader = self.leader.voted(colour)
            self.leader_stills += still
        elif self.challenger.votes == 0:
            self.challenger = Candidate(colour, 1)
        elif self.comparison.same(colour, self.challenger.colour):
            self.challenger = self.challenger.voted(colour)
        else:
            self.challenger = replace(self.challenger, votes=self.challenger.votes - 1)
        if self.challenger.votes > self.leader.votes:
            self.leader, self.challenger = self.challenger, self.leader
            self.leader_stills = int(still)
            resigned = self.leader_seconds
            self.leader_seconds = self.slots.free_slot(self.leader.colour).seconds
            self.resign(self.challenger, frame, resigned)

    def resign(self, candidate: Candidate, frame: int, seconds: frozenset[int]) -> None:
        """Count a leader that was one as any other colour."""
        n = candidate.votes
        if n:
            sample = Slot(candidate.colour, n, n, frame, frame, seconds)
            self.slots.deposit_beside(self.leader.colour, sample)

    def merge(self, later: OutsidePixel, n_frames: int, later_frames: int) -> None:
        """Add a later stretch of frames that begins after this one's `n_frames`."""
        old, its = self.leader, later.leader
        left = sorted(
            (c for c in (old, its, self.challenger, later.challenger) if c.votes),
            key=lambda c: c.rank,
        )
        groups: list[tuple[Candidate, list[Candidate]]] = []
        while left:
            members = [c for c in left if self.comparison.same(c.colour, left[0].colour)]
            groups.append((Candidate(left[0].colour, sum(c.votes for c in members)), members))
            left = [c for c in left if all(c is not member for member in members)]
        groups.sort(key=lambda group: group[0].rank)
        groups += [(Candidate(), []), (Candidate(), [])]
        (leader, members), (challenger, _), *_ = groups
        self.leader_stills = sum(
            stills
            for candidate, stills in ((old, self.leader_stills), (its, later.leader_stills))
            if any(candidate is member for member in members)
        )
        self.leader, self.challenger = leader, challenger
        for slot in later.slots.used:
            first, last = slot.first + n_frames, slot.last + n_frames
            self.slots.deposit_beside(
                leader.colour, replace(deepcopy(slot), first=first, last=last)
            )
        seconds: frozenset[int] = frozenset()
        for candidate, frame, own in (
            (old, n_frames - 1, self.leader_seconds),
            (its, n_frames + later_frames - 1, later.leader_seconds),
        ):
            if all(candidate is not member for member in members):
                self.resign(candidate, frame, own)
            else:
                seconds |= own
        self.leader_seconds = seconds | self.slots.free_slot(leader.colour).seconds
        self.clock.go_on(later.clock)
        self.slots.evictions = min(self.slots.evictions + later.slots.evictions, U16_MAX)
        self.outside_surveys += later.outside_surveys
        self.surveys += later.surveys
        if self.surveys > U16_MAX:
            self.halve()
        self.before = later.before
