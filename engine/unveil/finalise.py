"""From counts to pictures: which colour of a pixel is the background, and which the room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unveil import motion
from unveil._version import __version__
from unveil.bands import Bands
from unveil.chunk import Colour
from unveil.colour import ciede2000, cosine_similarity, to_lab, to_rgb
from unveil.inpaint import continued
from unveil.parameters import Parameters
from unveil.recovery import PixelCounts, Recovery
from unveil.registration import Registered, register
from unveil.table import ColourTable, OutsideTable, RunTable, TransitionTable
from unveil_kernels import count, select

Array = npt.NDArray[Any]

BAND_PIXELS: Final = 1 << 15
"""Pixels decided at once by a thread: bounds the memory of the colours' conversion."""

STEADY_SHARE: Final = 0.8
"""A leader seen in this share of surveys is certainly the background, if its region is large."""

LARGE_REGION: Final = 0.25
"""Share of the largest steady region's size from which another one counts as background, too:
a caller may divide the picture, but a still shoulder is smaller."""

FAR_DISTANCE: Final = 20.0
"""CIEDE2000 from the background beyond which a colour may well be the person's."""

NEVER_COVERED_SHARE: Final = 0.999
"""Share of the surveys from which a pixel counts as never covered by the person."""

CONFIDENCE_POWER: Final = 2.4
"""Makes a confidence of 0.5 of a probability of 0.75: half the alpha is a strong claim."""

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

CONTRADICTION: Final = 10.0
"""CIEDE2000 from the given picture beyond which what was taken for the background is not."""

CALLER_SHARE: Final = 0.4
"""Share of the surveys outside the person up to which a leader that contradicts the given picture
is what the person's outline leaves of the caller, and no room that leaks."""

CALLER_EPISODES: Final = 2.0
"""Where the background is not known, how many times oftener than is usual there: what comes
and goes as often as the rest is the caller."""

MOVING: Final = (
    "the virtual background moves or changes: no colour of a pixel is the background's, and "
    "nothing is claimed of the room"
)


def finalise(
    table: ColourTable, parameters: Parameters, bands: Bands, picture: Array | None = None
) -> Recovery:
    """Decide room and background from a table, which stays as it is.

    Parameters
    ----------
    picture
        (m, n, 3) RGB of 0 to 255, what is known or guessed to be the background; for "farend".

    Raises
    ------
    BackgroundMismatch
        The picture is not what was counted.
    """
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
    moving = motion.background_motion(table) if isinstance(table, OutsideTable) else None
    match = None
    if moving == "moves":
        # Whatever was farthest from a wrong background would be taken for the room.
        decided.evictions[...] = table.evictions
    elif table.n_frames and picture is not None:
        assert isinstance(table, OutsideTable)
        match = _decide_farend(table, parameters, bands, decided, picture)
    elif table.n_frames:
        DECIDE[table.method](table, parameters, bands, decided)
    recovery = decided.as_recovery(table, parameters, moving)
    if match is None:
        return recovery
    return replace(recovery, report={**recovery.report, "background_match": match.as_dict()})


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of a colour at some pixels, arrays of shape (m,)."""

    count: Array
    episodes: Array
    first: Array
    last: Array

    @classmethod
    def of(cls, slots: Array) -> Counted:
        """Read it from slots (m,)."""
        return cls(slots["count"], slots["episodes"], slots["first"], slots["last"])


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

    def as_recovery(
        self, table: ColourTable, parameters: Parameters, moving: motion.BackgroundMotion | None
    ) -> Recovery:
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
            "background": moving,
            "person": _person(table, parameters),
            "warnings": list(_warnings(table, parameters, moving)),
        }
        return Recovery(self.room, self.background, self.confidence, counts, table.times, report)

    def set_room(
        self, band: slice, pixels: Array, rgb: Array, background_lab: Array, counted: Counted
    ) -> Array:
        """Fill in the room of some of a band's pixels.

        Parameters
        ----------
        band
            Its rows.
        pixels
            (m,) numbers of the pixels within the band.
        rgb
            (m, 3) float64, the room's colour.
        background_lab
            (n, 3) L*a*b* of the background of all pixels of the band.
        counted
            What was counted of the room.

        Returns
        -------
        (rows, w, 3) float64 L*a*b* of the room, 0 where there is none.
        """
        lab = np.zeros((len(background_lab), 3))
        lab[pixels] = to_lab(rgb)
        self.room[band].reshape(-1, 4)[pixels, :3] = np.rint(rgb)
        for target, values in (
            (self.room_count, counted.count),
            (self.episodes, counted.episodes),
            (self.first_frame, counted.first),
            (self.last_frame, counted.last),
            (self.ciede2000, ciede2000(lab[pixels], background_lab[pixels])),
        ):
            target[band].reshape(-1)[pixels] = values
        return lab.reshape(-1, self.room.shape[1], 3)

    def claim(self, confidence: Array, claimed: Array) -> None:
        """Set the confidence and with it the room's alpha, at least 1 where it is claimed."""
        self.confidence[...] = np.where(claimed, np.maximum(confidence, 1 / 255), 0)
        self.room[..., 3] = np.rint(255 * self.confidence)


def _decide_rarest(table: RunTable, parameters: Parameters, bands: Bands, out: _Decided) -> None:
    """Decide by zoomg's rule: the rarest colour that is far from the most counted one."""
    height, width = out.confidence.shape
    colour = table.layout.colour
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots, evictions = table.closed(first, last)
        slots = slots.reshape(-1, slots.shape[2])
        counts, firsts = _field(slots, "count"), _field(slots, "first")
        rows = np.arange(len(slots))
        most = np.empty(len(slots), np.int64)
        select.most_counted(counts, firsts, parameters.noise_frames, most)
        considered = counts > parameters.noise_frames
        considered[rows, most] = False
        reference = _rgb(slots[rows, most], colour)
        rarest = _rarest_beyond(slots, counts, firsts, considered, reference, colour, parameters)
        levels = np.empty((len(slots), 3))
        total = np.empty(len(slots), np.int64)
        select.mean_of_alike(slots, most, _noise_radius(table), levels, total)
        background = to_rgb(levels, colour)
        out.background[band] = _opaque(background).reshape(-1, width, 4)
        out.background_count[band] = total.reshape(-1, width)
        (pixels,) = np.nonzero(rarest >= 0)
        chosen = slots[pixels, rarest[pixels]]
        behind_lab = to_lab(background)
        room_lab[band] = out.set_room(
            band, pixels, _rgb(chosen, colour), behind_lab, Counted.of(chosen)
        )
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
    colour = table.layout.colour
    background_lab = np.empty((height, width, 3), np.float32)
    background = _leading_colours(table, bands, out, background_lab)
    known = _known_background(out.background_count / table.n_surveys, background_lab)
    out.background[..., :3] = np.rint(background)
    out.background[..., 3] = 255 * known
    needed = np.full((height, width), float(MIN_EPISODES))
    if not known.all():
        usual = float(np.median(table.leader_returns[~known]))
        needed[~known] = max(MIN_EPISODES, CALLER_EPISODES * usual)
    consistency = np.zeros((height, width), np.float32)
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots = table.slots[band].reshape(-1, table.slots.shape[2])
        least = needed[band].ravel()
        returns, surveys = table.leader_returns[band].ravel(), table.leader_surveys[band].ravel()
        counts, episodes = _field(slots, "count"), _field(slots, "episodes")
        rows = np.arange(len(slots))
        considered = (counts > parameters.noise_frames) & (episodes >= least[:, None])
        behind_lab = background_lab[band].reshape(-1, 3)
        behind = background[band].reshape(-1, 3)
        beyond = _beyond(slots, considered, behind, behind_lab, colour, parameters)
        place = np.empty(len(slots), np.int64)
        select.most_episodes(counts, episodes, beyond, parameters.noise_frames, place)
        seen = np.where(place >= 0, episodes[rows, place], 0)
        share = counts[rows, place] / np.maximum(1, counts.sum(1))
        # Where the background is not known the leader is a colour like any other.
        leads = ~known[band].ravel() & (returns >= np.maximum(seen, least))
        share[leads] = surveys[leads] / table.n_surveys
        consistency[band] = share.reshape(-1, width)

        (pixels,) = np.nonzero(leads | (place >= 0))
        led = leads[pixels]
        chosen = slots[pixels, place[pixels]]
        levels = np.stack([chosen["c0"], chosen["c1"], chosen["c2"]], -1).astype(np.float64)
        leader = table.leader[:, band].reshape(3, -1).T
        levels[led] = leader[pixels[led]]
        counted = Counted(
            np.where(led, surveys[pixels], chosen["count"]),
            np.where(led, returns[pixels], chosen["episodes"]),
            np.where(led, -1, chosen["first"].astype(np.int64)),
            np.where(led, -1, chosen["last"].astype(np.int64)),
        )
        room_lab[band] = out.set_room(band, pixels, to_rgb(levels, colour), behind_lab, counted)
        out.evictions[band] = table.evictions[band]
        others = (counts > 0).sum(1).reshape(-1, width)
        out.colours_seen[band] = 1 + others + table.evictions[band]

    bands.run(decide, height, max(1, BAND_PIXELS // width))
    claimed = out.episodes > 0
    agreement = _agreement(room_lab, claimed, bands)
    often = 1.0 - 0.5 ** (out.episodes / needed)
    confidence = np.cbrt(often * consistency * agreement)
    out.claim(confidence, claimed & (agreement >= MIN_AGREEMENT))


def _decide_farend(
    table: OutsideTable,
    parameters: Parameters,
    bands: Bands,
    out: _Decided,
    picture: Array | None = None,
) -> Registered | None:
    """Take the colour farthest from the background of those seen outside the person.

    A leak shows the room through the background: `a * room + (1 - a) * background`, with
    any `a`. The farthest colour of a pixel that was seen often enough is the least blended.
    """
    height, width = out.confidence.shape
    colour = table.layout.colour
    background = _leading_colours(table, bands, out)
    seen = table.outside_surveys
    known = (out.background_count >= motion.STEADY_SHARE * seen) & (
        seen >= motion.SEEN_SHARE * table.n_surveys
    )
    select.keep_large_regions(known, LARGE_REGION)
    match = None if picture is None else register(picture, background, known)
    if match is None:
        background[...] = continued(background, known)
        steady = known
    else:
        known, steady = _completed(background, known, match)
    out.background[..., :3] = np.rint(background)
    out.background[..., 3] = 255 * known
    room_lab = np.zeros((height, width, 3), np.float32)

    def decide(first: int, last: int) -> None:
        band = slice(first, last)
        slots = table.slots[band].reshape(-1, table.slots.shape[2])
        surveys = table.leader_surveys[band].ravel().astype(np.int64)
        counts = _field(slots, "count").astype(np.int64)
        behind = background[band].reshape(-1, 3).astype(np.float64)
        behind_lab = to_lab(behind)
        # Where the call does not tell the background the leader is a colour like any other.
        leads = np.where(steady[band].ravel(), 0, surveys * count.OUTSIDE_SURVEY_EVERY)
        levels = np.stack(
            [
                np.column_stack([slots[name], table.leader[channel, band].reshape(-1)])
                for channel, name in enumerate(("c0", "c1", "c2"))
            ],
            -1,
        ).astype(np.float64)
        counts = np.column_stack([counts, leads])
        rows, places = np.nonzero(counts > parameters.noise_frames)
        rgb = to_rgb(levels[rows, places], colour)
        lab = to_lab(rgb)
        apart = ciede2000(lab, behind_lab[rows])
        if match is not None:
            leader_lab = to_lab(to_rgb(levels[:, -1], colour))
            caller = seen[band].ravel() < CALLER_SHARE * table.n_surveys
            caller &= ciede2000(leader_lab, behind_lab) > CONTRADICTION
            theirs = caller[rows]
            from_caller = ciede2000(lab[theirs], leader_lab[rows[theirs]])
            apart[theirs] = np.minimum(apart[theirs], from_caller)
        if parameters.metric == "cosine":
            beyond = cosine_similarity(rgb, behind[rows]) < parameters.distance_threshold
        else:
            beyond = apart > parameters.distance_threshold
        distance = np.full(counts.shape, -1.0)
        distance[rows, places] = np.where(beyond, apart, -1.0)
        place = distance.argmax(1)
        (pixels,) = np.nonzero(distance.max(1) >= 0)
        place = place[pixels]
        led = place == slots.shape[1]
        chosen = slots[pixels, np.minimum(place, slots.shape[1] - 1)]
        counted = Counted(
            np.where(led, leads[pixels], chosen["count"]),
            np.where(led, 1, chosen["episodes"]),
            np.where(led, -1, chosen["first"].astype(np.int64)),
            np.where(led, -1, chosen["last"].astype(np.int64)),
        )
        rgb = to_rgb(levels[pixels, place], colour)
        room_lab[band] = out.set_room(band, pixels, rgb, behind_lab, counted)
        out.evictions[band] = table.evictions[band]
        others = (counts[:, :-1] > 0).sum(1).reshape(-1, width)
        out.colours_seen[band] = 1 + others + table.evictions[band]

    bands.run(decide, height, max(1, BAND_PIXELS // width))
    claimed = out.episodes > 0
    outside = seen / max(1, table.n_surveys)
    likely = _likely_room(_agreement(room_lab, claimed, bands), out.ciede2000, outside)
    out.claim(likely**CONFIDENCE_POWER, claimed)
    return match


def _likely_room(agreement: Array, distance: Array, outside: Array) -> Array:
    """Probability that a claimed colour is the room's, (h, w).

    A logistic regression on what simulated calls of known truth gave away. `agreement` is
    that of the neighbours, `distance` the CIEDE2000 from the background, `outside` the share
    of the surveys in which the pixel was outside the person. A large distance speaks for the
    room only where the person never was: elsewhere hair and hands lie as far off.
    """
    never_covered = outside >= NEVER_COVERED_SHARE
    excess = np.maximum(0, distance - FAR_DISTANCE) / FAR_DISTANCE
    evidence = (
        -1.6
        + 1.1 * agreement
        + 1.25 * np.minimum(distance / FAR_DISTANCE, 2)
        + 0.9 * outside
        + np.where(never_covered, 1.3, -3.0 * excess)
    )
    likely: Array = 1.0 / (1.0 + np.exp(-evidence))
    return likely


def _person(table: ColourTable, parameters: Parameters) -> dict[str, str | int] | None:
    """Tell how the person was searched for; None where no method asked for it."""
    if parameters.method != "farend":
        return None
    searched, nobody = table.searches if isinstance(table, OutsideTable) else (0, 0)
    return {
        "model": parameters.person,
        "every": parameters.person_every,
        "frames_searched": int(searched),
        "frames_without_person": int(nobody),
    }


def _warnings(
    table: ColourTable, parameters: Parameters, moving: motion.BackgroundMotion | None
) -> Iterator[str]:
    """Say what may surprise about how it was counted."""
    if parameters.method != parameters.accumulator:
        yield "no person model: counted as transitions"
    if moving == "moves":
        yield MOVING
    if isinstance(table, OutsideTable):
        searched, nobody = table.searches
        if searched and nobody == searched:
            yield "the person was found in no frame"


def _completed(background: Array, known: Array, match: Registered) -> tuple[Array, Array]:
    """Put a picture where the background is not known.

    What the call shows otherwise than the picture, evenly brighter corners, say, goes on
    from the known pixels around. Known pixels that the picture contradicts are room that
    leaks all the time, or a person who sits still.

    Parameters
    ----------
    background
        (h, w, 3) float32, changed in place.
    known
        (h, w) bool.

    Returns
    -------
    known, steady
        (h, w) bool: where the background is known then, and where it still is the call's.
    """
    lab, shown_lab = (to_lab(rgb.astype(np.float64)) for rgb in (match.picture, background))
    right = known & (ciede2000(lab, shown_lab) <= CONTRADICTION)
    beside = known & ~match.covered
    rest = continued(np.where(right[..., None], background - match.picture, np.float32(0)), right)
    drawn = np.clip(match.picture + rest, 0, 255)
    drawn[right] = background[right]
    filled = continued(background, beside) if beside.any() else drawn
    background[...] = np.where(match.covered[..., None], drawn, filled)
    return match.covered | beside, right | beside


def _leading_colours(
    table: TransitionTable | OutsideTable,
    bands: Bands,
    out: _Decided,
    lab_out: Array | None = None,
) -> Array:
    """Average each pixel's leader with an alike challenger, and count their surveys in `out`.

    Returns RGB, (h, w, 3) float32, of levels of 0 where nothing was surveyed; `lab_out`, of the
    same shape, takes L*a*b* where it is wanted.
    """
    height, width = out.confidence.shape
    background = np.empty((height, width, 3), np.float32)

    def average(first: int, last: int) -> None:
        band = slice(first, last)
        surveys, votes = table.leader_surveys[band].ravel(), table.challenger_votes[band].ravel()
        leader, challenger = (
            np.ascontiguousarray(colours[:, band]).reshape(3, -1)
            for colours in (table.leader, table.challenger)
        )
        levels, total = np.empty((len(surveys), 3)), np.empty(len(surveys), np.int64)
        radius = _noise_radius(table)
        select.mean_of_leader(leader, surveys, challenger, votes, radius, levels, total)
        levels[total == 0] = 0
        rgb = to_rgb(levels, table.layout.colour)
        background[band] = rgb.reshape(-1, width, 3)
        if lab_out is not None:
            lab_out[band] = to_lab(rgb).reshape(-1, width, 3)
        out.background_count[band] = total.reshape(-1, width)

    bands.run(average, height, max(1, BAND_PIXELS // width))
    return background


def _opaque(rgb: Array) -> Array:
    """Round colours (n, 3) to RGBA (n, 4) with full alpha."""
    return np.insert(np.rint(rgb).astype(np.uint8), 3, 255, axis=1)


def _field(slots: Array, name: str) -> Array:
    """Copy one field of the slots (n, n_slots), so that it can be read at full speed."""
    return np.ascontiguousarray(slots[name])


def _rgb(slots: Array, colour: Colour) -> Array:
    """RGB of the slots' colours, (..., 3) float64."""
    levels = np.stack([slots["c0"], slots["c1"], slots["c2"]], -1)
    return to_rgb(levels.astype(np.float64), colour)


def _rarest_beyond(
    slots: Array,
    counts: Array,
    firsts: Array,
    considered: Array,
    background: Array,
    colour: Colour,
    parameters: Parameters,
) -> Array:
    """Place of each pixel's least counted slot that is not the background, -1 for none.

    The rarest of the considered slots (n, n_slots) is mostly far enough: the next one is
    only compared where it is not, for comparing is dear.
    """
    background_lab = to_lab(background)
    untried = considered.copy()
    chosen = np.full(len(slots), -1)
    pixels = np.flatnonzero(untried.any(1))
    while len(pixels):
        place = np.empty(len(pixels), np.int64)
        select.rarest_beyond(
            counts[pixels], firsts[pixels], untried[pixels], parameters.noise_frames, place
        )
        pixels, place = pixels[place >= 0], place[place >= 0]
        tried = np.zeros((len(pixels), considered.shape[1]), np.bool_)
        tried[np.arange(len(pixels)), place] = True
        behind, behind_lab = background[pixels], background_lab[pixels]
        far = _beyond(slots[pixels], tried, behind, behind_lab, colour, parameters).any(1)
        chosen[pixels[far]] = place[far]
        untried[pixels, place] = False
        pixels = pixels[~far]
    return chosen


def _beyond(
    slots: Array,
    considered: Array,
    background: Array,
    background_lab: Array,
    colour: Colour,
    parameters: Parameters,
) -> Array:
    """Which of the considered slots (n, n_slots) are not the background, (n, 3) RGB and Lab."""
    rows, columns = np.nonzero(considered)
    colours = _rgb(slots[rows, columns], colour)
    far = np.zeros_like(considered)
    if parameters.metric == "cosine":
        similarity = cosine_similarity(colours, background[rows])
        far[rows, columns] = similarity < parameters.distance_threshold
    else:
        distance = ciede2000(to_lab(colours), background_lab[rows])
        far[rows, columns] = distance > parameters.distance_threshold
    return far


def _known_background(share: Array, lab: Array) -> Array:
    """Where the leader is the background: steady over large regions, and what continues them.

    A virtual background is one picture, so it goes on from pixel to pixel; a caller who
    covers a pixel, or a room that leaks there steadily, breaks off at an edge. `share`
    (h, w) is that of the surveys which showed the leader, `lab` (h, w, 3) its colour.
    """
    known: Array = share >= STEADY_SHARE
    select.keep_large_regions(known, LARGE_REGION)
    select.grow_region(known, lab, share >= SEEN_SHARE, CONTINUITY)
    return known


def _noise_radius(table: ColourTable) -> int:
    """Levels within which colours differ by noise alone: neighbouring bins, and some tolerance."""
    return (1 << (8 - table.bits)) - 1 + table.tolerance // 2


def _agreement(lab: Array, claimed: Array, bands: Bands) -> Array:
    agreement = np.empty(claimed.shape, np.float32)
    bands.run(
        lambda first, last: select.neighbour_agreement(
            lab, claimed, LIKENESS, first, last, agreement
        ),
        len(claimed),
    )
    return agreement


DECIDE: Final[dict[str, Callable[[Any, Parameters, Bands, _Decided], object]]] = {
    "farend": _decide_farend,
    "rarest": _decide_rarest,
    "transitions": _decide_transitions,
}
"""How each method decides."""
