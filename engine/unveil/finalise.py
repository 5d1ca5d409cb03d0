"""From counts to pictures: which colour of a pixel is the background, and which the room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil._version import __version__
from unveil.bands import Bands
from unveil.chunk import Colour
from unveil.colour import ciede2000, cosine_similarity, to_lab, to_rgb
from unveil.parameters import Parameters
from unveil.recovery import PixelCounts, Recovery
from unveil.table import ColourTable, RunTable, TransitionTable
from unveil_kernels import select

Array = npt.NDArray[Any]

BAND_PIXELS: Final = 1 << 16
"""Pixels decided at once by a thread: bounds the memory of the colours' conversion."""

STEADY_SHARE: Final = 0.8
"""A leader seen in this share of surveys is certainly the background, if its region is large."""

LARGE_REGION: Final = 0.25
"""Share of the largest steady region's size from which another one counts as background, too:
a caller may divide the picture, but a still shoulder is smaller."""

SEEN_SHARE: Final = 0.3
"""Share of surveys from which a leader may continue a neighbour's background."""

CONTINUITY: Final = 4.0
"""L*a*b* distance up to which a leader continues its neighbour's."""

LIKENESS: Final = 8.0
"""L*a*b* distance up to which neighbours' rooms agree."""

MIN_AGREEMENT: Final = 0.125
"""Share of its 24 neighbours that must agree with a claim: three of them."""

MIN_EPISODES: Final = 2
"""Separate transitions in which a room's colour must have come up."""

CALLER_EPISODES: Final = 2.0
"""Where the background is not known, how many times oftener than is usual there: what comes
and goes as often as the rest is the caller."""


def finalise(table: ColourTable, parameters: Parameters, bands: Bands) -> Recovery:
    """Decide room and background from a table, which stays as it is."""
    shape = table.layout.height, table.layout.width
    decided = _Decided(
        room=np.zeros((*shape, 4), np.uint8),
        background=np.zeros((*shape, 4), np.uint8),
        confidence=np.zeros(shape, np.float32),
        background_count=np.zeros(shape, np.uint32),
        room_count=np.zeros(shape, np.uint32),
        episodes=np.zeros(shape, np.uint32),
        first_frame=np.full(shape, -1, np.int64),
        last_frame=np.full(shape, -1, np.int64),
        ciede2000=np.zeros(shape, np.float32),
        colours_seen=np.zeros(shape, np.uint32),
        evictions=np.zeros(shape, np.uint16),
    )
    if table.n_frames:
        DECIDE[table.method](table, parameters, bands, decided)
    return decided.as_recovery(table, parameters)


@dataclass(frozen=True, slots=True)
class _Decided:
    """The recovery's arrays while they are filled band by band."""

    room: Array
    background: Array
    confidence: Array
    background_count: Array
    room_count: Array
    episodes: Array
    first_frame: Array
    last_frame: Array
    ciede2000: Array
    colours_seen: Array
    evictions: Array

    def as_recovery(self, table: ColourTable, parameters: Parameters) -> Recovery:
        counts = PixelCounts(
            self.background_count,
            self.room_count,
            self.episodes,
            self.first_frame,
            self.last_frame,
            self.ciede2000,
            self.colours_seen,
            self.evictions,
        )
        pixels = self.confidence.size
        report = {
            "unveil": __version__,
            "parameters": parameters.as_dict(),
            "frames_read": table.n_frames,
            "recovered_pixels": int(np.count_nonzero(self.room[..., 3])),
            "coverage": float(np.count_nonzero(self.room[..., 3]) / pixels),
            "mean_confidence": float(self.confidence.sum() / max(1, (self.confidence > 0).sum())),
            "background_coverage": float(np.count_nonzero(self.background[..., 3]) / pixels),
            "evicted_colours": int(self.evictions.sum(dtype=np.int64)),
            "state_bytes_per_pixel": table.bytes_per_pixel,
        }
        return Recovery(self.room, self.background, self.confidence, counts, table.times, report)

    def claim(self, confidence: Array, claimed: Array) -> None:
        """Set the confidence and with it the room's alpha, at least 1 where it is claimed."""
        self.confidence[...] = np.where(claimed, np.maximum(confidence, 1 / 255), 0)
        self.room[..., 3] = np.rint(255 * self.confidence)


class _Slots:
    """The slots of a band's pixels, one row a pixel, as colours that can be compared.

    `levels` and `rgb` are (n, n_slots, 3) float64; `counts`, `firsts`, `episodes` and
    `surveys` (n, n_slots) int64.
    """

    def __init__(self, slots: Array, colour: Colour) -> None:
        slots = slots.reshape(-1, slots.shape[-1])
        self.levels = np.stack([slots["c0"], slots["c1"], slots["c2"]], -1) / 256.0
        self.rgb = to_rgb(self.levels, colour)
        self.counts = slots["count"].astype(np.int64)
        self.firsts = slots["first"].astype(np.int64)
        self.lasts = slots["last"].astype(np.int64)
        self.episodes = slots["episodes"].astype(np.int64)
        self.surveys = slots["surveys"].astype(np.int64)

    def beyond(self, considered: Array, background: Array, parameters: Parameters) -> Array:
        """Which of the considered slots (n, n_slots) are not the background (n, 3) RGB."""
        rows, columns = np.nonzero(considered)
        colours, backgrounds = self.rgb[rows, columns], background[rows]
        far = np.zeros_like(considered)
        if parameters.metric == "cosine":
            similarity = cosine_similarity(colours, backgrounds)
            far[rows, columns] = similarity < parameters.distance_threshold
        else:
            distance = ciede2000(to_lab(colours), to_lab(backgrounds))
            far[rows, columns] = distance > parameters.distance_threshold
        return far

    def mean_near(self, place: Array, radius: float, weights: Array) -> tuple[Array, Array]:
        """Mean levels of the slots like slot `place` (n,), and the sum of their weights.

        Noise spreads one colour over neighbouring bins; together they are that colour.
        """
        rows = np.arange(len(place))
        differences = np.abs(self.levels - self.levels[rows, place][:, None]).max(-1)
        weights = np.where(differences <= radius, weights, 0)
        total = weights.sum(1)
        # A colour without weight, such as an unsurveyed leader's, counts as seen once.
        weights[rows, place] += total == 0
        mean = (self.levels * weights[..., None]).sum(1) / weights.sum(1)[:, None]
        return mean, total

    def write_room(self, place: Array, background: Array, out: _Decided, band: slice) -> Array:
        """Fill in what is known of the room, slot `place` (n,) or -1; return its L*a*b*."""
        shape = out.confidence[band].shape
        (pixels,) = np.nonzero(place >= 0)
        slot = place[pixels]
        rgb = self.rgb[pixels, slot]
        lab = np.zeros((len(place), 3))
        lab[pixels] = to_lab(rgb)

        def fill(target: Array, values: Array) -> None:
            target[band].reshape(-1)[pixels] = values  # bands are contiguous, so this is a view

        room = out.room[band].reshape(-1, 4)
        room[pixels, :3] = np.rint(rgb)
        counted = self.counts[pixels, slot] > 0
        fill(
            out.room_count, np.where(counted, self.counts[pixels, slot], self.surveys[pixels, slot])
        )
        fill(out.episodes, self.episodes[pixels, slot])
        fill(out.first_frame, np.where(counted, self.firsts[pixels, slot], -1))
        fill(out.last_frame, np.where(counted, self.lasts[pixels, slot], -1))
        fill(out.ciede2000, ciede2000(lab[pixels], to_lab(background[pixels])))
        return lab.reshape(*shape, 3)


def _decide_rarest(table: RunTable, parameters: Parameters, bands: Bands, out: _Decided) -> None:
    """Decide by zoomg's rule: the rarest colour that is far from the most counted one."""
    height, width = out.confidence.shape
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots, evictions = table.closed(first, last)
        colours = _Slots(slots, table.layout.colour)
        counts, firsts = colours.counts, colours.firsts
        most = np.empty(len(counts), np.int64)
        rarest = np.empty(len(counts), np.int64)
        select.most_counted(counts, firsts, parameters.noise_frames, most)
        rows = np.arange(len(counts))
        considered = counts > parameters.noise_frames
        considered[rows, most] = False
        beyond = colours.beyond(considered, colours.rgb[rows, most], parameters)
        select.rarest_beyond(counts, firsts, beyond, parameters.noise_frames, rarest)
        levels, total = colours.mean_near(most, _merge_radius(table), counts)
        background = to_rgb(levels, table.layout.colour)
        out.background[band] = _rgba(background, np.full(len(counts), 255), width)
        out.background_count[band] = total.reshape(-1, width)
        room_lab[band] = colours.write_room(rarest, background, out, band)
        out.evictions[band] = evictions
        out.colours_seen[band] = (counts > 0).sum(1).reshape(-1, width) + evictions

    bands.run(decide, height, max(1, BAND_PIXELS // width))
    claimed = out.episodes > 0
    out.claim(_agreement(room_lab, claimed, bands), claimed)


def _decide_transitions(
    table: TransitionTable, parameters: Parameters, bands: Bands, out: _Decided
) -> None:
    """Decide by separate transitions from and to the background.

    A colour that shows in several transitions is the room: any such colour where the
    background is known; where it is not, one that comes and goes more often than the
    caller's colours there.
    """
    height, width = out.confidence.shape
    leaders = np.stack([table.leader0, table.leader1, table.leader2], -1)
    leader_rgb = np.empty((height, width, 3))
    leader_lab = np.empty((height, width, 3), np.float32)

    def convert(first: int, last: int) -> None:
        band = slice(first, last)
        leader_rgb[band] = to_rgb(leaders[band].astype(np.float64), table.layout.colour)
        leader_lab[band] = to_lab(leader_rgb[band])

    bands.run(convert, height, max(1, BAND_PIXELS // width))
    known = _known_background(table, leader_lab)
    needed = np.full((height, width), float(MIN_EPISODES))
    if not known.all():
        usual = float(np.median(table.slots["episodes"][..., 0][~known]))
        needed[~known] = max(MIN_EPISODES, CALLER_EPISODES * usual)
    consistency = np.zeros((height, width), np.float32)
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        colours = _Slots(table.with_leaders(first, last), table.layout.colour)
        counts, episodes, surveys = colours.counts, colours.episodes, colours.surveys
        rows = np.arange(len(counts))
        leader = np.zeros(len(counts), np.int64)
        considered = counts > parameters.noise_frames
        considered[:, 0] = False
        beyond = colours.beyond(considered, leader_rgb[band].reshape(-1, 3), parameters)
        room = np.empty(len(counts), np.int64)
        select.most_episodes(counts, episodes, beyond, parameters.noise_frames, room)
        seen = np.where(room >= 0, episodes[rows, room], 0)
        share = counts[rows, room] / np.maximum(1, counts[:, 1:].sum(1))
        # Where the background is not known the leader is a colour like any other.
        leads = ~known[band].ravel() & (episodes[:, 0] >= seen)
        room[leads] = 0
        seen[leads] = episodes[leads, 0]
        share[leads] = surveys[leads, 0] / max(1, table.n_surveys)
        room[seen < needed[band].ravel()] = -1
        consistency[band] = share.reshape(-1, width)
        levels, total = colours.mean_near(leader, _merge_radius(table), surveys)
        background = to_rgb(levels, table.layout.colour)
        out.background[band] = _rgba(background, 255 * known[band].ravel(), width)
        out.background_count[band] = total.reshape(-1, width)
        room_lab[band] = colours.write_room(room, background, out, band)
        out.evictions[band] = table.evictions[band]
        others = (counts + surveys > 0)[:, 1:].sum(1).reshape(-1, width)
        out.colours_seen[band] = 1 + others + table.evictions[band]

    bands.run(decide, height, max(1, BAND_PIXELS // width))
    claimed = out.episodes > 0
    agreement = _agreement(room_lab, claimed, bands)
    often = 1.0 - 0.5 ** (out.episodes / needed)
    confidence = np.cbrt(often * consistency * agreement)
    out.claim(confidence, claimed & (agreement >= MIN_AGREEMENT))


def _known_background(table: TransitionTable, leader_lab: Array) -> Array:
    """Where the leader is the background: steady over large regions, and what continues them.

    A virtual background is one picture, so it goes on from pixel to pixel; a caller who
    covers a pixel, or a room that leaks there steadily, breaks off at an edge.
    """
    if table.n_surveys == 0:
        return np.ones(leader_lab.shape[:2], np.bool_)  # too short to tell anything apart
    share = table.leader_surveys / table.n_surveys
    known = share >= STEADY_SHARE
    select.keep_large_regions(known, LARGE_REGION)
    select.grow_region(known, leader_lab, share >= SEEN_SHARE, CONTINUITY)
    return known


def _merge_radius(table: ColourTable) -> int:
    """Levels within which a colour is the background's noise: what `far` leaves out, and a bin."""
    return table.tolerance + table.tolerance // 2 + (1 << (8 - table.bits)) - 1


def _agreement(lab: Array, claimed: Array, bands: Bands) -> Array:
    agreement = np.empty(claimed.shape, np.float32)
    bands.run(
        lambda first, last: select.neighbour_agreement(
            lab, claimed, LIKENESS, first, last, agreement
        ),
        len(claimed),
    )
    return agreement


def _rgba(rgb: Array, alpha: Array, width: int) -> Array:
    """Round colours (n, 3) and set their alpha (n,); rows of `width` pixels."""
    rgba = np.empty((len(rgb), 4), np.uint8)
    rgba[:, :3] = np.rint(rgb)
    rgba[:, 3] = alpha
    return rgba.reshape(-1, width, 4)


DECIDE: Final[dict[str, Callable[[Any, Parameters, Bands, _Decided], None]]] = {
    "rarest": _decide_rarest,
    "transitions": _decide_transitions,
}
"""How each method decides."""
