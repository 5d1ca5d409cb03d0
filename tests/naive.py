"""Slow, obvious references of the kernels that count and select: lists, loops, one pixel at a time.

Written from the docstrings and the design, not from the kernels: what is vectorised, packed
into bits or shared between threads there is a plain list of samples here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unveil_kernels.count import EPISODE_GAP, STILLNESS, SURVEY_EVERY, WINDOW

Array = npt.NDArray[Any]
Colour = tuple[int, int, int]
Place = tuple[int, int]

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1


@dataclass
class Slot:
    """One colour of a pixel, its channels in 1/256 of a level."""

    colour: Colour = (0, 0, 0)
    episodes: int = 0
    surveys: int = 0
    count: int = 0
    first: int = 0
    last: int = 0

    @property
    def free(self) -> bool:
        """Whether no colour was counted or surveyed."""
        return self.count == 0 and self.surveys == 0

    @property
    def sightings(self) -> int:
        """Samples counted and surveys."""
        return self.count + self.surveys


@dataclass(frozen=True)
class Likeness:
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


def to_level(colour: Colour) -> Colour:
    """Round 1/256 of a level to whole levels."""
    c0, c1, c2 = ((c + 128) // 256 for c in colour)
    return c0, c1, c2


def to_fine(colour: Colour) -> Colour:
    """Whole levels as 1/256 of a level."""
    c0, c1, c2 = (256 * c for c in colour)
    return c0, c1, c2


def mean(slot: Slot, sample: Slot) -> Colour:
    """Mean colour of a slot and of new samples, in single precision, half a unit rounded up."""
    had, gained = np.float32(slot.sightings), np.float32(sample.sightings)
    share = gained / (had + gained)
    c0, c1, c2 = (
        int(np.float32(old) + np.float32(new - old) * share + np.float32(0.5))
        for old, new in zip(slot.colour, sample.colour, strict=True)
    )
    return c0, c1, c2


def deposit(
    slots: list[Slot], start: int, sample: Slot, gap: int, likeness: Likeness
) -> tuple[int, bool]:
    """Add samples of one colour to the slots from `start` on; return the place and if it evicts."""
    places = range(start, len(slots))
    level = to_level(sample.colour)
    for place in places:
        slot = slots[place]
        if not slot.free and likeness.same(to_level(slot.colour), level):
            slots[place] = joined(slot, sample, gap)
            return place, False
    for place in places:
        if slots[place].free:
            slots[place] = deepcopy(sample)
            return place, False
    place = min(places, key=lambda p: (slots[p].sightings, slots[p].last))
    slots[place] = deepcopy(sample)
    return place, True


def joined(slot: Slot, sample: Slot, gap: int) -> Slot:
    """Return a slot with further samples of its colour."""
    both = Slot(
        mean(slot, sample),
        slot.episodes + sample.episodes,
        min(slot.surveys + sample.surveys, U16_MAX),
        min(slot.count + sample.count, U32_MAX),
        slot.first,
        slot.last,
    )
    if sample.count > 0 and slot.count > 0:
        if sample.first - slot.last <= gap:
            both.episodes -= 1
        both.first = min(slot.first, sample.first)
        both.last = max(slot.last, sample.last)
    elif sample.count > 0:
        both.first, both.last = sample.first, sample.last
    both.episodes = min(both.episodes, U16_MAX)
    return both


class RunPixel:
    """Counts every run of every colour of one pixel."""

    def __init__(self, n_slots: int, likeness: Likeness) -> None:
        self.slots = [Slot() for _ in range(n_slots)]
        self.evictions = 0
        self.likeness = likeness
        self.run: Colour = (0, 0, 0)
        self.run_start = 0

    def see(self, frame: int, colour: Colour) -> None:
        """Count the sample of a frame."""
        if frame == 0:
            self.run, self.run_start = colour, 0
        elif not self.likeness.same(colour, self.run):
            self.end_run(frame)
            self.run, self.run_start = colour, frame

    def end_run(self, frame: int) -> None:
        """Deposit the run that ended before `frame`."""
        run = Slot(to_fine(self.run), 1, 0, frame - self.run_start, self.run_start, frame - 1)
        _, evicted = deposit(self.slots, 0, run, 1, self.likeness)
        self.evictions = min(self.evictions + evicted, U16_MAX)

    def closed(self, n_frames: int) -> RunPixel:
        """Return a copy that has counted the run that goes on."""
        copy = deepcopy(self)
        if n_frames:
            copy.end_run(n_frames)
        return copy

    def merge(self, later: RunPixel, n_frames: int) -> None:
        """Add a later stretch that begins after this one's `n_frames`."""
        if n_frames:
            self.end_run(n_frames)
        merge_slots(self, later, n_frames, 1)
        self.run, self.run_start = later.run, later.run_start + n_frames


@dataclass
class Sample:
    """One of the newest samples of a pixel."""

    frame: int
    colour: Colour
    is_leader: bool = True
    is_far: bool = False


class TransitionPixel:
    """Counts the samples of one pixel that are next to a change from or to its leader."""

    def __init__(self, n_slots: int, likeness: Likeness) -> None:
        self.slots = [Slot() for _ in range(n_slots)]
        self.evictions = 0
        self.likeness = likeness
        self.far = min(255, likeness.tolerance + likeness.tolerance // 2)
        self.leader: Colour = (0, 0, 0)
        self.leader_surveys = 0
        # Two before and two after the one to decide on; before the first all is the leader.
        self.newest = deque([Sample(-1, (0, 0, 0)) for _ in range(5)], maxlen=5)

    def see(self, frame: int, colour: Colour) -> None:
        """Count the sample of a frame."""
        if frame == 0:
            self.leader = colour
            self.leader_surveys = 1
        distance = self.likeness.distance(colour, self.leader)
        self.newest.append(
            Sample(frame, colour, distance <= self.likeness.tolerance, distance > self.far)
        )
        self.count_next_to_change(frame)
        if frame % SURVEY_EVERY == WINDOW:
            self.survey(colour)

    def count_next_to_change(self, frame: int) -> None:
        """Decide about the sample of two frames ago, whose future is now known."""
        before2, before1, sample, after1, after2 = self.newest
        near = before2.is_leader or before1.is_leader or after1.is_leader or after2.is_leader
        if not (sample.is_far and near):
            return
        seen = frame - WINDOW
        self.put(Slot(to_fine(sample.colour), 1, 0, 1, seen, seen), EPISODE_GAP)
        if after1.is_leader:
            self.slots[0].episodes = min(self.slots[0].episodes + 1, U16_MAX)

    def survey(self, colour: Colour) -> None:
        """Vote for the colour of a sample that has not moved for two frames."""
        before = self.newest[-1 - WINDOW].colour
        if max(abs(new - old) for new, old in zip(colour, before, strict=True)) > STILLNESS:
            return
        if self.likeness.same(colour, self.leader):
            self.leader_surveys = min(self.leader_surveys + 1, U16_MAX)
            c0, c1, c2 = (
                old + (new > old) - (new < old)
                for old, new in zip(self.leader, colour, strict=True)
            )
            self.leader = c0, c1, c2
            return
        place = self.put(Slot(to_fine(colour), 0, 1), 0)
        if self.slots[place].surveys > self.leader_surveys:
            self.store_leader()
            self.swap(place)
            for sample in self.newest:
                sample.is_leader, sample.is_far = True, False

    def put(self, sample: Slot, gap: int) -> int:
        """Deposit in any slot but the leader's."""
        place, evicted = deposit(self.slots, 1, sample, gap, self.likeness)
        self.evictions = min(self.evictions + evicted, U16_MAX)
        return place

    def store_leader(self) -> None:
        """Write the leader into its slot."""
        self.slots[0].colour = to_fine(self.leader)
        self.slots[0].surveys = self.leader_surveys

    def swap(self, place: int) -> None:
        """Make the colour of a slot the leader."""
        self.slots[0], self.slots[place] = self.slots[place], self.slots[0]
        self.leader = to_level(self.slots[0].colour)
        self.leader_surveys = self.slots[0].surveys

    def with_leader(self) -> TransitionPixel:
        """Return a copy whose slot 0 holds all of the leader."""
        copy = deepcopy(self)
        copy.store_leader()
        return copy

    def merge(self, later: TransitionPixel, n_frames: int) -> None:
        """Add a later stretch that begins after this one's `n_frames`."""
        self.store_leader()
        merge_slots(self, later.with_leader(), n_frames, EPISODE_GAP)
        self.elect()
        self.newest = deepcopy(later.newest)

    def elect(self) -> None:
        """Make the most surveyed colour the leader, of equals the smallest."""
        place = min(
            range(len(self.slots)), key=lambda p: (-self.slots[p].surveys, self.slots[p].colour)
        )
        self.swap(place if self.slots[place].surveys else 0)


Pixel = RunPixel | TransitionPixel


def merge_slots(pixel: Pixel, later: Pixel, later_by: int, gap: int) -> None:
    """Add the slots of a later stretch of frames."""
    pixel.evictions = min(pixel.evictions + later.evictions, U16_MAX)
    for other in later.slots:
        if other.free:
            continue
        moved = deepcopy(other)
        moved.first += later_by
        moved.last += later_by
        _, evicted = deposit(pixel.slots, 0, moved, gap, pixel.likeness)
        pixel.evictions = min(pixel.evictions + evicted, U16_MAX)


def samples_of(planes: Sequence[Array], shift_y: int, shift_x: int, place: Place) -> list[Colour]:
    """Colours of a pixel frame by frame; chroma planes may be smaller than luma."""
    (y, x), (luma, cb, cr) = place, planes
    v, u = y // 2**shift_y, x // 2**shift_x
    return list(
        zip(luma[:, y, x].tolist(), cb[:, v, u].tolist(), cr[:, v, u].tolist(), strict=True)
    )


def slots_of(pixels: Iterable[Pixel]) -> list[list[Slot]]:
    """Give the slots of pixels, free ones as if never used."""
    return [[Slot() if slot.free else slot for slot in pixel.slots] for pixel in pixels]


def read_slots(slots: Array, *, with_leader: bool = False) -> list[list[Slot]]:
    """Read an array (h, w, n_slots) of slots in the form of `slots_of`.

    Where slot 0 holds the leader it is no free one, though it may never have been surveyed.
    """
    read = []
    for pixel in slots.reshape(-1, slots.shape[-1]).tolist():
        decoded = [Slot((c0, c1, c2), *rest) for c0, c1, c2, *rest in pixel]
        used = [Slot() if slot.free else slot for slot in decoded]
        read.append([decoded[0], *used[1:]] if with_leader else used)
    return read


# Selecting


def most_counted(counts: Sequence[int], firsts: Sequence[int], noise_frames: int) -> int:
    used = [s for s, n in enumerate(counts) if n > 0]
    sound = [s for s in used if counts[s] > noise_frames]
    return min(sound or used, key=lambda s: (-counts[s], firsts[s]), default=-1)


def rarest_beyond(
    counts: Sequence[int], firsts: Sequence[int], beyond: Sequence[bool], noise_frames: int
) -> int:
    candidates = [s for s, n in enumerate(counts) if n > noise_frames and beyond[s]]
    return min(candidates, key=lambda s: (counts[s], -firsts[s]), default=-1)


def most_episodes(
    counts: Sequence[int], episodes: Sequence[int], beyond: Sequence[bool], noise_frames: int
) -> int:
    candidates = [s for s, n in enumerate(counts) if n > noise_frames and beyond[s]]
    return max(candidates, key=lambda s: (episodes[s], counts[s]), default=-1)


def neighbours(place: Place, shape: tuple[int, ...]) -> list[Place]:
    """Return the four neighbours of a place that lie in the picture."""
    y, x = place
    around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return [(v, u) for v, u in around if 0 <= v < shape[0] and 0 <= u < shape[1]]


def places(mask: Array) -> set[Place]:
    return {(int(y), int(x)) for y, x in np.argwhere(mask)}


def regions(mask: Array) -> list[set[Place]]:
    """Split a mask into its regions, connected by four neighbours."""
    left = places(mask)
    found = []
    while left:
        region = {left.pop()}
        edge = set(region)
        while edge:
            edge = {q for p in edge for q in neighbours(p, mask.shape)} & left
            left -= edge
            region |= edge
        found.append(region)
    return found


def keep_large_regions(mask: Array, share_of_largest: float) -> Array:
    found = regions(mask)
    largest = max(map(len, found), default=0)
    kept = np.zeros_like(mask)
    for region in found:
        if len(region) >= share_of_largest * largest:
            for place in region:
                kept[place] = True
    return kept


def grow_region(region: Array, lab: Array, allowed: Array, tolerance: float) -> Array:
    grown = region.copy()
    changed = True
    while changed:
        changed = False
        for place in sorted(places(allowed & ~grown)):
            for neighbour in neighbours(place, region.shape):
                if grown[neighbour] and alike(lab[place], lab[neighbour], tolerance):
                    grown[place] = changed = True
    return grown


def alike(lab_a: Array, lab_b: Array, tolerance: float) -> bool:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(lab_a, lab_b, strict=True)) <= (
        tolerance**2
    )


def neighbour_agreement(lab: Array, claimed: Array, tolerance: float) -> Array:
    height, width = claimed.shape
    agreement = np.zeros(claimed.shape)
    for y, x in places(claimed):
        around = [
            (v, u)
            for v in range(y - 2, y + 3)
            for u in range(x - 2, x + 3)
            if 0 <= v < height and 0 <= u < width and (v, u) != (y, x)
        ]
        like = [p for p in around if claimed[p] and alike(lab[y, x], lab[p], tolerance)]
        agreement[y, x] = len(like) / len(around) if around else 0
    return agreement
