"""Slow, obvious references of colour spaces, of zoomg's rule and of finalising, pixel by pixel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tests.kernels import naive_select
from tests.kernels.counting import naive
from unveil.recovery.decide import claims, transitions
from unveil.recovery.parameters import Parameters
from unveil.video.chunk import Colour

Array = npt.NDArray[Any]
Triple = tuple[float, float, float]
C = TypeVar("C", bound=Hashable)

LUMA_WEIGHTS = {
    "bt601": (0.299, 0.587, 0.114),
    "bt709": (0.2126, 0.7152, 0.0722),
    "fcc": (0.30, 0.59, 0.11),
    "smpte240m": (0.212, 0.701, 0.087),
    "bt2020": (0.2627, 0.6780, 0.0593),
}
"""Red, green, blue."""


def encode_ycbcr(rgb: Triple, matrix: str, *, full_range: bool) -> Triple:
    """Convert RGB of 0 to 255 to Y'CbCr levels as the standards define them."""
    red, green, blue = (value / 255 for value in rgb)
    weight_red, weight_green, weight_blue = LUMA_WEIGHTS[matrix]
    y = weight_red * red + weight_green * green + weight_blue * blue
    cb = (blue - y) / (2 - 2 * weight_blue)
    cr = (red - y) / (2 - 2 * weight_red)
    if full_range:
        return 255 * y, 128 + 255 * cb, 128 + 255 * cr
    return 16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr


def to_rgb(levels: Triple, colour: Colour) -> Triple:
    """Convert levels of the three planes to RGB of 0 to 255: solve what `encode_ycbcr` does."""
    if colour.matrix == "rgb":
        green, blue, red = levels
        return red, green, blue
    origin = np.array(encode_ycbcr((0, 0, 0), colour.matrix, full_range=colour.full_range))
    columns = [
        np.array(encode_ycbcr(primary, colour.matrix, full_range=colour.full_range)) - origin
        for primary in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    ]
    rgb = 255 * np.linalg.solve(np.stack(columns, 1), np.array(levels) - origin)
    red, green, blue = np.clip(rgb, 0, 255).tolist()
    return red, green, blue


def to_lab(rgb: Triple) -> Triple:
    """Convert sRGB of 0 to 255 to CIE L*a*b* with the white point D65."""

    def linear(level: float) -> float:
        value = level / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    def root(t: float) -> float:
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t * (29 / 6) ** 2 / 3 + 4 / 29

    to_xyz = (
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    )
    white = (0.95047, 1.0, 1.08883)
    light = [linear(level) for level in rgb]
    x, y, z = (
        root(sum(w * v for w, v in zip(weights, light, strict=True)) / reference)
        for weights, reference in zip(to_xyz, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(lab_a: Triple, lab_b: Triple) -> float:
    """CIEDE2000 in degrees, step by step as Sharma, Wu and Dalal (2005) number them."""
    (light1, a1, b1), (light2, a2, b2) = lab_a, lab_b
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1 = math.degrees(math.atan2(b1, a1)) % 360 if c1 else 0.0
    h2 = math.degrees(math.atan2(b2, a2)) % 360 if c2 else 0.0
    if c1 * c2 == 0:
        dh = 0.0
        mean_h = h1 + h2
    elif abs(h2 - h1) <= 180:
        dh = h2 - h1
        mean_h = (h1 + h2) / 2
    else:
        dh = h2 - h1 - 360 if h2 > h1 else h2 - h1 + 360
        mean_h = (h1 + h2 + 360) / 2 if h1 + h2 < 360 else (h1 + h2 - 360) / 2
    d_light, d_c = light2 - light1, c2 - c1
    d_hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh / 2))
    mean_light, mean_c = (light1 + light2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * math.cos(math.radians(mean_h - 30))
        + 0.24 * math.cos(math.radians(2 * mean_h))
        + 0.32 * math.cos(math.radians(3 * mean_h + 6))
        - 0.20 * math.cos(math.radians(4 * mean_h - 63))
    )
    d_theta = 30 * math.exp(-(((mean_h - 275) / 25) ** 2))
    r_c = 2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    s_light = 1 + 0.015 * (mean_light - 50) ** 2 / math.sqrt(20 + (mean_light - 50) ** 2)
    light, chroma, hue = (
        d_light / s_light,
        d_c / (1 + 0.045 * mean_c),
        d_hue / (1 + 0.015 * mean_c * t),
    )
    r_t = -math.sin(math.radians(2 * d_theta)) * r_c
    return math.sqrt(max(0.0, light**2 + chroma**2 + hue**2 + r_t * chroma * hue))


def cosine(a: Triple, b: Triple) -> float:
    """Cosine similarity of two vectors; 1 with a zero vector."""
    norms = math.hypot(*a) * math.hypot(*b)
    return sum(p * q for p, q in zip(a, b, strict=True)) / norms if norms else 1.0


def zoomg(
    samples: Sequence[C], far: Callable[[C, C], bool], noise_frames: int
) -> tuple[C, C | None] | None:
    """Return zoomg's most counted colour and its room; None where noise is all there is."""
    appearance = list(dict.fromkeys(samples))
    counts = {c: n for c, n in Counter(samples).items() if n > noise_frames}
    if not counts:
        return None
    ranked = sorted(counts, key=lambda c: (counts[c], -appearance.index(c)))
    most = ranked[-1]
    return most, next((c for c in ranked if far(c, most)), None)


# Finalising


@dataclass
class Decision:
    """What is decided about one pixel; `room` is the place of its slot, -1 for none."""

    background: Triple
    background_count: int
    room: int
    slots: list[naive.Slot]
    colours: list[Triple]
    colours_seen: int
    background_known: bool = True
    consistency: float = 1.0
    needed: float = 1.0
    room_lab: Triple = field(default=(0.0, 0.0, 0.0))


def is_beyond(colour: Triple, background: Triple, parameters: Parameters) -> bool:
    if parameters.metric == "cosine":
        return cosine(colour, background) < parameters.distance_threshold
    return ciede2000(to_lab(colour), to_lab(background)) > parameters.distance_threshold


def levels_of(slot: naive.Slot) -> Triple:
    c0, c1, c2 = (float(c) for c in slot.colour)
    return c0, c1, c2


def mean_near(
    slots: Sequence[naive.Slot], place: int, radius: float, weights: Sequence[int]
) -> Triple:
    """Mean levels of the slots whose channels are all within `radius` of those of one."""
    centre = levels_of(slots[place])
    near = [
        (weight, levels_of(slot))
        for weight, slot in zip(weights, slots, strict=True)
        if max(abs(a - b) for a, b in zip(levels_of(slot), centre, strict=True)) <= radius
    ]
    total = sum(weight for weight, _ in near)
    c0, c1, c2 = (sum(w * levels[c] for w, levels in near) / total for c in range(3))
    return c0, c1, c2


def weight_near(
    slots: Sequence[naive.Slot], place: int, radius: float, weights: Sequence[int]
) -> int:
    """Sum of their weights."""
    centre = levels_of(slots[place])
    return sum(
        weight
        for weight, slot in zip(weights, slots, strict=True)
        if max(abs(a - b) for a, b in zip(levels_of(slot), centre, strict=True)) <= radius
    )


def decide_rarest(
    slots: list[naive.Slot], evictions: int, radius: float, parameters: Parameters, colour: Colour
) -> Decision:
    counts, firsts = [s.count for s in slots], [s.first for s in slots]
    colours = [to_rgb(levels_of(slot), colour) for slot in slots]
    most = naive_select.most_counted(counts, firsts, parameters.noise_frames)
    beyond = [
        place != most and not slot.free and is_beyond(colours[place], colours[most], parameters)
        for place, slot in enumerate(slots)
    ]
    room = naive_select.rarest_beyond(counts, firsts, beyond, parameters.noise_frames)
    background = to_rgb(mean_near(slots, most, radius, counts), colour)
    total = weight_near(slots, most, radius, counts)
    seen = sum(n > 0 for n in counts) + evictions
    return Decision(background, total, room, slots, colours, seen)


@dataclass
class Transitions:
    """What finalising reads of one pixel."""

    slots: list[naive.Slot]
    leader: naive.Candidate
    returns: int
    challenger: naive.Candidate


def decide_transitions(
    pixel: Transitions,
    evictions: int,
    radius: float,
    parameters: Parameters,
    colour: Colour,
    n_surveys: int,
    *,
    known: bool,
    needed: float,
) -> Decision:
    """Decide about a pixel; the leader, where it is the room, becomes a last slot."""
    leader = naive.Slot(pixel.leader.colour, pixel.returns, pixel.leader.votes, -1, -1)
    slots = [*pixel.slots, leader]
    colours = [to_rgb(levels_of(slot), colour) for slot in slots]
    background, total = background_of(pixel, radius, colour)
    beyond = [
        slot is not leader
        and slot.count > parameters.noise_frames
        and is_beyond(colours[place], background, parameters)
        for place, slot in enumerate(slots)
    ]
    counts, episodes = [s.count for s in slots], [s.episodes for s in slots]
    room = naive_select.most_episodes(counts, episodes, beyond, parameters.noise_frames)
    seen = slots[room].episodes if room >= 0 else 0
    share = slots[room].count / max(1, sum(counts[:-1]))
    if not known and leader.episodes >= seen:
        room, seen, share = len(slots) - 1, leader.episodes, leader.count / n_surveys
    if seen < needed:
        room = -1
    colours_seen = len(slots) + evictions
    return Decision(background, total, room, slots, colours, colours_seen, known, share, needed)


def background_of(pixel: Transitions, radius: float, colour: Colour) -> tuple[Triple, int]:
    """Mean of the leader and of a challenger like it, and how often they were surveyed."""
    candidates = [
        naive.Slot(c.colour, count=c.votes) for c in (pixel.leader, pixel.challenger) if c.votes
    ]
    votes = [slot.count for slot in candidates]
    mean = mean_near(candidates, 0, radius, votes)
    return to_rgb(mean, colour), weight_near(candidates, 0, radius, votes)


def known_background(shares: Array, labs: Array) -> Array:
    steady = naive_select.keep_large_regions(
        shares >= transitions.STEADY_SHARE, claims.LARGE_REGION
    )
    return naive_select.grow_region(
        steady, labs, shares >= transitions.SEEN_SHARE, transitions.CONTINUITY
    )


def merge_radius(parameters: Parameters) -> int:
    return 2 ** (8 - parameters.bits) - 1 + parameters.tolerance // 2


def finalise_rarest(
    slots: list[list[naive.Slot]], evictions: Array, parameters: Parameters, colour: Colour
) -> dict[str, Array]:
    radius = merge_radius(parameters)
    decisions = [
        decide_rarest(pixel, int(evicted), radius, parameters, colour)
        for pixel, evicted in zip(slots, evictions.ravel(), strict=True)
    ]
    told = tell(decisions, evictions.shape)
    claimed = told["episodes"] > 0
    agreement = naive_select.neighbour_agreement(told["lab"], claimed, claims.NEIGHBOUR_DISTANCE)
    told["confidence"] = np.where(claimed, np.maximum(agreement, 1 / 255), 0)
    return told


def finalise_transitions(
    pixels: list[Transitions],
    evictions: Array,
    parameters: Parameters,
    colour: Colour,
    n_surveys: int,
) -> dict[str, Array]:
    shape = evictions.shape
    behind = [background_of(pixel, merge_radius(parameters), colour) for pixel in pixels]
    shares = np.array([total / max(1, n_surveys) for _, total in behind]).reshape(shape)
    labs = np.array([to_lab(rgb) for rgb, _ in behind]).reshape(*shape, 3)
    known = known_background(shares, labs)
    needed = float(transitions.MIN_EPISODES)
    unknown = [p.returns for p, k in zip(pixels, known.ravel(), strict=True) if not k]
    where_unknown = (
        max(needed, transitions.CALLER_EPISODES * median(unknown)) if unknown else needed
    )
    decisions = [
        decide_transitions(
            pixel,
            int(evicted),
            merge_radius(parameters),
            parameters,
            colour,
            n_surveys,
            known=bool(is_known),
            needed=needed if is_known else where_unknown,
        )
        for pixel, evicted, is_known in zip(pixels, evictions.ravel(), known.ravel(), strict=True)
    ]
    told = tell(decisions, shape)
    claimed = told["episodes"] > 0
    agreement = naive_select.neighbour_agreement(told["lab"], claimed, claims.NEIGHBOUR_DISTANCE)
    often = 1 - 0.5 ** (told["episodes"] / np.array([d.needed for d in decisions]).reshape(shape))
    consistency = np.array([d.consistency for d in decisions]).reshape(shape)
    confidence = np.cbrt(often * consistency * agreement)
    claimed &= agreement >= transitions.MIN_AGREEMENT
    told["confidence"] = np.where(claimed, np.maximum(confidence, 1 / 255), 0)
    return told


def tell(decisions: list[Decision], shape: tuple[int, ...]) -> dict[str, Array]:
    """Lay decisions out as arrays (h, w) or (h, w, 3), colours not rounded."""
    rows: list[dict[str, Any]] = []
    for d in decisions:
        room = d.slots[d.room] if d.room >= 0 else naive.Slot()
        rgb = d.colours[d.room] if d.room >= 0 else (0.0, 0.0, 0.0)
        lab = to_lab(rgb) if d.room >= 0 else (0.0, 0.0, 0.0)
        rows.append(
            {
                "background": d.background,
                "background_known": d.background_known,
                "background_count": d.background_count,
                "room": rgb,
                "lab": lab,
                "room_count": room.count,
                "episodes": room.episodes,
                "first_frame": room.first if d.room >= 0 else -1,
                "last_frame": room.last if d.room >= 0 else -1,
                "ciede2000": ciede2000(lab, to_lab(d.background)) if d.room >= 0 else 0.0,
                "colours_seen": d.colours_seen,
            }
        )
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()}
