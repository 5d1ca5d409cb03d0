"""Slow, obvious references of the kernels that count: lists, loops, one pixel at a time.

Written from the docstrings and the design, not from the kernels: what is vectorised, packed
into bits or shared between threads there is a plain list of samples here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unveil_kernels.counting.slots import EPISODE_GAP
from unveil_kernels.counting.transitions import STILLNESS, SURVEY_EVERY

Array = npt.NDArray[Any]
Colour = tuple[int, int, int]
Place = tuple[int, int]

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1


@dataclass
class Slot:
    """One colour of a pixel and what was counted of it."""

    colour: Colour = (0, 0, 0)
    episodes: int = 0
    count: int = 0
    first: int = 0
    last: int = 0
    seconds: frozenset[int] = field(default=frozenset(), compare=False)

    @property
    def free(self) -> bool:
        """Whether no sample was counted."""
        return self.count == 0


LARGEST_COUNT = 4095 * 2**19
"""With the largest mantissa and exponent: of 2.3 years at 30 frames/s."""


def kept(total: int, frame: int) -> int:
    """Return what a counter of 16 bits keeps of a total that was reached in a frame.

    From 32768 on, a multiple of a step that is never larger than a 2048th of it. What is between
    two steps is rounded to one of them, by a number that the frame draws.
    """
    if total < 32768:
        return total
    step = 16
    while total >= 4096 * step:
        step *= 2
    place = drawn(frame) * step // 2**31
    return min((total // step + (place < total % step)) * step, LARGEST_COUNT)


def drawn(frame: int) -> int:
    """Return one of 2**31 numbers that a frame draws."""
    bits = (frame + 1) % 2**31
    for shift, factor in ((15, 740047981), (12, 695872825)):
        bits = (bits ^ bits // 2**shift) * factor % 2**31
    return bits ^ bits // 2**15


def coded(count: int) -> int:
    """Return the 16 bits in which a count that is kept is written."""
    if count < 32768:
        return count
    exponent = count.bit_length() - 16
    return 32768 + 2048 * exponent + count // 2 ** (exponent + 4) - 2048


def uncoded(number: np.integer[Any]) -> int:
    """Read a number of a state: those of 16 bits are coded."""
    code = int(number)
    if number.dtype != np.uint16 or code < 32768:
        return code
    return int(f"1{code % 2048:011b}", 2) * 2 ** (4 + code // 2048 % 16)


@dataclass(frozen=True)
class Comparison:
    """When two colours are the same, and over how many frames an episode continues."""

    bits: int
    tolerance: int

    def distance(self, a: Colour, b: Colour) -> int:
        """Greatest difference of a channel, of which only the upper bits count."""
        unit = 2 ** (8 - self.bits)
        return max(abs(p // unit - q // unit) * unit for p, q in zip(a, b, strict=True))

    def same(self, a: Colour, b: Colour) -> bool:
        """Tell whether two colours count as one."""
        return self.distance(a, b) <= self.tolerance


def followed(colour: Colour, sample: Colour) -> Colour:
    """Return a colour with each channel moved by one level towards the sample's."""
    c0, c1, c2 = (c + (s > c) - (s < c) for c, s in zip(colour, sample, strict=True))
    return c0, c1, c2


@dataclass
class Slots:
    """The slots of a pixel, used ones first, and how many colours were evicted."""

    n: int
    exact: bool
    gap: int
    comparison: Comparison
    used: list[Slot] = field(default_factory=list)
    evictions: int = 0

    def find(self, colour: Colour) -> Slot | None:
        """Find the first slot of a colour."""
        return next((s for s in self.used if self.comparison.same(s.colour, colour)), None)

    def deposit(self, sample: Slot) -> None:
        """Add samples of one colour."""
        slot = self.find(sample.colour)
        if slot is not None:
            self.join(slot, sample)
        elif len(self.used) < self.n:
            self.used.append(self.fresh(sample))
        else:
            # Slots keep their places: those of equal age and count are taken in order.
            rarest = min(self.used, key=lambda s: (s.count, s.last))
            self.used[self.used.index(rarest)] = self.fresh(sample)
            self.evictions = min(self.evictions + 1, U16_MAX)

    def fresh(self, sample: Slot) -> Slot:
        """Return a slot that holds nothing but a sample."""
        count = sample.count if self.exact else kept(sample.count, sample.last)
        return replace(sample, episodes=kept(sample.episodes, sample.last), count=count)

    def join(self, slot: Slot, sample: Slot) -> None:
        """Add further samples of a slot's colour to it."""
        more_samples = sample.count > slot.count
        slot.colour = sample.colour if more_samples else followed(slot.colour, sample.colour)
        continues = sample.first - slot.last <= self.gap
        slot.episodes = kept(slot.episodes + sample.episodes - continues, sample.last)
        count = slot.count + sample.count
        slot.count = min(count, U32_MAX) if self.exact else kept(count, sample.last)
        slot.seconds |= sample.seconds
        slot.first = min(slot.first, sample.first)
        slot.last = max(slot.last, sample.last)

    def free_slot(self, colour: Colour) -> Slot:
        """Free the slot of a colour, fill its place with the last one; return what it held."""
        slot = self.find(colour)
        if slot is None:
            return Slot()
        last = self.used.pop()
        if last is not slot:
            self.used[self.used.index(slot)] = last
        return slot

    def merge(self, later: Slots, later_by: int) -> None:
        """Add the slots of a later stretch of frames."""
        for slot in later.used:
            first, last = slot.first + later_by, slot.last + later_by
            self.deposit(replace(slot, first=first, last=last))
        self.evictions = min(self.evictions + later.evictions, U16_MAX)


@dataclass
class Clock:
    """The seconds of frames: one whose time is unknown is of the second before it."""

    now: int | None = None

    def tick(self, second: int | None) -> bool:
        """Go on to a frame; return whether it is the first one of a second."""
        before = self.now
        self.now = before if second is None else second
        return self.now != before

    def go_on(self, later: Clock) -> None:
        """Go on to the end of a later stretch."""
        self.now = self.now if later.now is None else later.now

    @property
    def seconds(self) -> frozenset[int]:
        """The second, if it is known."""
        return frozenset() if self.now is None else frozenset([self.now])


class RunPixel:
    """Counts every run of every colour of one pixel."""

    def __init__(self, n_slots: int, comparison: Comparison) -> None:
        self.slots = Slots(n_slots, True, 1, comparison)
        self.comparison = comparison
        self.run: Colour = (0, 0, 0)
        self.run_start = 0
        self.run_second: int | None = None
        self.clock = Clock()

    def see(self, frame: int, colour: Colour, second: int | None = None) -> None:
        """Count the sample of a frame."""
        begins = frame == 0
        if frame > 0 and not self.comparison.same(colour, self.run):
            self.end_run(frame)
            begins = True
        self.clock.tick(second)
        if begins:
            self.run, self.run_start, self.run_second = colour, frame, self.clock.now

    def end_run(self, frame: int) -> None:
        """Deposit the run that ended before `frame`."""
        run = Slot(self.run, 1, frame - self.run_start, self.run_start, frame - 1)
        last = self.clock.now
        if last is not None:
            first = last if self.run_second is None else self.run_second
            run.seconds = frozenset(range(min(first, last), max(first, last) + 1))
        self.slots.deposit(run)

    def closed(self, n_frames: int) -> RunPixel:
        """Return a copy that has counted the run that goes on."""
        copy = deepcopy(self)
        if n_frames:
            copy.end_run(n_frames)
        return copy

    def merge(self, later: RunPixel, n_frames: int, later_frames: int) -> None:
        """Add a later stretch that begins after this one's `n_frames`."""
        self.end_run(n_frames)
        self.slots.merge(later.slots, n_frames)
        self.run, self.run_start = later.run, later.run_start + n_frames
        self.run_second = later.run_second
        self.clock.go_on(later.clock)


@dataclass
class Sample:
    """One of the newest samples of a pixel."""

    colour: Colour
    is_leader: bool = True
    is_far: bool = False
    seconds: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Candidate:
    """A still colour and the surveys that showed it."""

    colour: Colour = (0, 0, 0)
    votes: int = 0

    @property
    def rank(self) -> tuple[int, Colour]:
        """Sorts the most voted first, of equals that with the smallest channels."""
        return -self.votes, self.colour

    def halved(self) -> Candidate:
        """Return it with half as many votes."""
        return replace(self, votes=self.votes // 2)


class TransitionPixel:
    """Counts the samples of one pixel that are around a change from or to its leader."""

    def __init__(self, n_slots: int, comparison: Comparison) -> None:
        # One of the colours remembered is the leader, which has no slot.
        self.slots = Slots(n_slots - 1, False, EPISODE_GAP, comparison)
        self.comparison = comparison
        self.far = min(255, comparison.tolerance + comparison.tolerance // 2)
        self.leader = Candidate()
        self.returns = 0
        self.challenger = Candidate()
        # The one to decide on between its neighbours; before the first all is the leader.
        self.newest = [Sample((0, 0, 0)) for _ in range(3)]
        self.surveys = 0
        self.clock = Clock()
        self.leader_seconds: frozenset[int] = frozenset()

    def see(self, frame: int, colour: Colour, second: int | None = None) -> None:
        """Count the sample of a frame."""
        is_probed = self.clock.tick(second)
        if frame == 0:
            self.leader = Candidate(colour, 1)
            self.surveys = 1
        distance = self.comparison.distance(colour, self.leader.colour)
        is_leader, is_far = distance <= self.comparison.tolerance, distance > self.far
        sample = Sample(colour, is_leader, is_far, self.clock.seconds)
        self.newest = [*self.newest[1:], sample]
        self.count_around_change(frame)
        if frame % SURVEY_EVERY == 1:
            self.survey(colour, frame)
        if is_probed:
            self.probe(colour)

    def probe(self, colour: Colour) -> None:
        """Note when a colour shows that is remembered."""
        slot = self.slots.find(colour)
        if self.comparison.same(colour, self.leader.colour):
            self.leader_seconds |= self.clock.seconds
        elif slot is not None:
            slot.seconds |= self.clock.seconds

    def count_around_change(self, frame: int) -> None:
        """Decide about the sample of the frame before, whose neighbours are now known."""
        before, sample, after = self.newest
        if sample.is_far and (before.is_leader or after.is_leader):
            self.slots.deposit(Slot(sample.colour, 1, 1, frame - 1, frame - 1, sample.seconds))
            if after.is_leader:
                self.returns = kept(self.returns + 1, frame)

    def survey(self, colour: Colour, frame: int) -> None:
        """Vote for the colour of a sample that has not moved since the frame before."""
        if self.surveys == U16_MAX:
            self.surveys //= 2
            self.leader = self.leader.halved()
            self.challenger = self.challenger.halved()
        self.surveys += 1
        before = self.newest[-2].colour
        if max(abs(new - old) for new, old in zip(colour, before, strict=True)) > STILLNESS:
            return
        if self.comparison.same(colour, self.leader.colour):
            self.leader = self.voted(self.leader, colour)
        elif self.challenger.votes == 0:
            self.challenger = Candidate(colour, 1)
        elif self.comparison.same(colour, self.challenger.colour):
            self.challenger = self.voted(self.challenger, colour)
        else:
            self.challenger = replace(self.challenger, votes=self.challenger.votes - 1)
        if self.challenger.votes > self.leader.votes:
            freed = self.slots.free_slot(self.challenger.colour)
            self.resign(self.leader, self.returns, frame, self.leader_seconds)
            self.leader, self.challenger = self.challenger, self.leader
            self.returns = kept(freed.episodes, frame)
            self.leader_seconds = freed.seconds
            self.start_afresh()

    def voted(self, candidate: Candidate, colour: Colour) -> Candidate:
        """Return a candidate with one more vote by a sample of its colour."""
        return Candidate(followed(candidate.colour, colour), candidate.votes + 1)

    def resign(self, leader: Candidate, returns: int, frame: int, seconds: frozenset[int]) -> None:
        """Count a leader's returns as those of any other colour."""
        episodes = max(1, returns)
        self.slots.deposit(Slot(leader.colour, episodes, episodes, frame, frame, seconds))

    def start_afresh(self) -> None:
        """Take all samples seen so far for the leader's."""
        self.newest = [Sample(sample.colour) for sample in self.newest]

    def merge(self, later: TransitionPixel, n_frames: int, later_frames: int) -> None:
        """Add a later stretch of frames that begins after this one's `n_frames`."""
        new, old = self.merged_newest(later, later_frames), self.leader
        left = sorted(
            (c for c in (old, later.leader, self.challenger, later.challenger) if c.votes),
            key=lambda c: c.rank,
        )
        joined: list[tuple[Candidate, list[Candidate]]] = []
        while left:
            members = [c for c in left if self.comparison.same(c.colour, left[0].colour)]
            total = Candidate(left[0].colour, sum(c.votes for c in members))
            joined.append((total, members))
            left = [c for c in left if all(c is not member for member in members)]
        joined.sort(key=lambda group: group[0].rank)
        leader, members = joined[0]
        stays = any(c is old for c in members)
        takes_over = any(c is later.leader for c in members)

        if not stays:
            self.resign(old, self.returns, n_frames - 1, self.leader_seconds)
        self.slots.merge(later.slots, n_frames)
        if not takes_over:
            last = n_frames + later_frames - 1
            self.resign(later.leader, later.returns, last, later.leader_seconds)
        returns = self.returns * stays + later.returns * takes_over
        freed = self.slots.free_slot(leader.colour)
        self.returns = kept(returns + freed.episodes, n_frames)
        kinds = [(self.leader_seconds, stays), (later.leader_seconds, takes_over)]
        self.leader_seconds = freed.seconds.union(*(seconds for seconds, leads in kinds if leads))
        self.clock.go_on(later.clock)
        second = joined[1][0] if len(joined) > 1 else Candidate()
        self.surveys += later.surveys
        if self.surveys > U16_MAX:
            self.surveys //= 2
            leader, second = leader.halved(), second.halved()
        self.leader, self.challenger = leader, second
        self.newest = new
        if not takes_over:
            self.start_afresh()

    def merged_newest(self, later: TransitionPixel, later_frames: int) -> list[Sample]:
        """Return the newest samples; those before the later stretch as if the leader's."""
        before = [Sample(sample.colour) for sample in self.newest]
        return [*before, *later.newest[max(0, 3 - later_frames) :]][-3:]


Pixel = RunPixel | TransitionPixel


def samples_of(planes: Sequence[Array], shift_y: int, shift_x: int, place: Place) -> list[Colour]:
    """Colours of a pixel frame by frame; chroma planes may be smaller than luma."""
    (y, x), (luma, cb, cr) = place, planes
    v, u = y // 2**shift_y, x // 2**shift_x
    return list(
        zip(luma[:, y, x].tolist(), cb[:, v, u].tolist(), cr[:, v, u].tolist(), strict=True)
    )


def slots_of(pixels: Iterable[Pixel]) -> list[list[Slot]]:
    """Give the slots of pixels, free ones left out."""
    return [pixel.slots.used for pixel in pixels]


def read_slots(slots: Array) -> list[list[Slot]]:
    """Read an array (h, w, n_slots) of slots in the form of `slots_of`; used ones stand first."""
    read = []
    for pixel in slots.reshape(-1, slots.shape[-1]):
        decoded = [
            Slot(
                (int(s["c0"]), int(s["c1"]), int(s["c2"])),
                *(uncoded(s[name]) for name in ("episodes", "count", "first", "last")),
            )
            for s in pixel
        ]
        used = [slot for slot in decoded if not slot.free]
        assert decoded[: len(used)] == used
        read.append(used)
    return read
