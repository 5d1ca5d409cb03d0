"""Synthetic calls without footage: a bar that crosses the picture, a person who sways."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from unveil.arrays import F64, U8
from unveil.errors import InvalidParameter, check_choice, check_range
from unveil.simulation import scenes

Kind: TypeAlias = Literal["plain", "photo", "noise-frame"]

RED: scenes.Rgb = (200, 30, 40)
YELLOW: scenes.Rgb = (250, 220, 40)

_CROSSINGS = 6
_FRAMES_PER_CROSSING = 12

_CODES_PER_PIXEL = 4
_OUTERMOST_CODE = 32
_EDGE_CODE = 128
_INNERMOST_CODE = 224
_STRIP_ROWS = 4
_NOISE_SLACK = 64


@dataclass(frozen=True, slots=True)
class DemoCall:
    """A synthetic call and its ground truth.

    Attributes
    ----------
    room, background
        (h, w, 3) uint8 RGB: the camera's picture without the person, and the virtual background
        shown instead.
    n_frames, frame_rate
        Length in frames, and frames per second.
    """

    room: U8 = field(repr=False)
    background: U8 = field(repr=False)
    n_frames: int
    frame_rate: float
    make_frames: Callable[[], Iterator[U8]] = field(repr=False)

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return int(self.room.shape[0])

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return int(self.room.shape[1])

    def frames(self) -> Iterator[U8]:
        """Yield the frames from the first one, (h, w, 3) uint8 RGB; every call gives the same."""
        return self.make_frames()


def make_call(
    kind: Kind = "plain",
    *,
    height: int = 360,
    width: int = 640,
    n_frames: int = 240,
    frame_rate: float = 30,
    seed: int = 0,
) -> DemoCall:
    """Make one of zoomg's ideal calls: a bar crosses the picture and its edges leak.

    The bar moves back and forth. A pixel shows the room in the frame before the bar reaches it
    and in one or two frames after the bar leaves it; at all other times it shows the bar or the
    virtual background. So every pixel leaks at both edges of the bar in each crossing.

    Parameters
    ----------
    kind
        "plain": a background of one colour, and a wall with text as the room. "photo": a
        landscape as background, and a furnished room. "noise-frame": as "plain", with one frame
        of random colours late in the call (zoomg's first countermeasure).
    height, width, n_frames, frame_rate
        Size in pixels, length in frames (at least 12), frames per second.
    seed
        Seed of all random numbers.

    Raises
    ------
    InvalidParameter
        There is no such kind, or a number is too small.
    """
    check_choice("kind", kind, get_args(Kind))
    _check_size(height, width, 1)
    if n_frames < _FRAMES_PER_CROSSING:
        raise InvalidParameter(f"n_frames: {n_frames} is below {_FRAMES_PER_CROSSING}")
    if kind == "photo":
        room = scenes.photo_room(height, width, seed)
        background = scenes.landscape(height, width, seed)
    else:
        room = scenes.text_room(height, width)
        background = scenes.plain(height, width, RED)
    noise_at = n_frames * 9 // 10 if kind == "noise-frame" else -1

    def frames() -> Iterator[U8]:
        rng = np.random.default_rng(seed)
        for n, frame in enumerate(_bar_frames(room, background, n_frames)):
            if n == noise_at:
                yield rng.integers(0, 256, frame.shape, dtype=np.uint8)
            else:
                yield frame

    return DemoCall(room, background, n_frames, frame_rate, frames)


def moving_call(
    height: int = 720,
    width: int = 1280,
    n_frames: int = 600,
    *,
    frame_rate: float = 30,
    noise: float = 2.0,
    seed: int = 0,
) -> DemoCall:
    """Make a call of a person who sways and leans before a photo-like background.

    The background replacement fails as real ones do: its mask is two frames late, too wide by a
    varying amount, and has a soft and uneven edge. Where the mask covers pixels beside the person,
    the room shows for moments, a few pixels wide. Camera noise is on the person and the leaks
    only.

    Parameters
    ----------
    height, width
        Size in pixels, at least 32.
    n_frames, frame_rate
        Length in frames, and frames per second.
    noise
        Standard deviation of the camera's noise in levels.
    seed
        Seed of all random numbers: scenes, motion and noise.

    Raises
    ------
    InvalidParameter
        A number is out of range.
    """
    _check_size(height, width, 32)
    if n_frames < 1:
        raise InvalidParameter(f"n_frames: {n_frames} is below 1")
    check_range("noise", noise, 0, 30)
    room = scenes.photo_room(height, width, seed)
    background = scenes.landscape(height, width, seed)

    def frames() -> Iterator[U8]:
        camera = _Camera(room, background, noise, seed)
        for n in range(n_frames):
            yield camera.frame(n / frame_rate, 2 / frame_rate)

    return DemoCall(room, background, n_frames, frame_rate, frames)


def drawn_person(height: int, *, seed: int = 0) -> U8:
    """Draw the person of `moving_call` as a still for `simulate_call`.

    Parameters
    ----------
    height
        Height of the still in pixels; its width is the same.
    seed
        Seed of the noise in the picture.

    Returns
    -------
    (height, height, 4) uint8 RGBA, transparent outside the person.
    """
    picture, outline = _person(height, height, 0, 0, np.random.default_rng(seed))
    return np.dstack([picture, np.take(_coverage(0, 1), outline)])


def _check_size(height: int, width: int, least: int) -> None:
    if min(height, width) < least:
        raise InvalidParameter(f"size: {width}x{height} is below {least}x{least}")


def _bar_frames(room: U8, background: U8, n_frames: int) -> Iterator[U8]:
    """Yield the frames of a bar that moves back and forth."""
    width = room.shape[1]
    bar = -(-width // 5)  # rounded up: at least one step, so that it skips no pixel
    n_crossings = max(1, min(_CROSSINGS, n_frames // _FRAMES_PER_CROSSING))
    starts = np.linspace(0, n_frames, n_crossings + 1).round().astype(int)
    for crossing, (start, stop) in enumerate(itertools.pairwise(starts.tolist())):
        # From the whole bar outside one side until its trail has left the other side.
        n_steps = stop - start
        step = math.ceil((width + bar) / (n_steps - 5))
        lefts = [min(n * step, width + bar) - bar for n in range(-1, n_steps)]
        trail = 1 + crossing % 2
        for n in range(n_steps):
            left, following = lefts[n + 1], lefts[min(n + 2, n_steps)]
            trailing = lefts[max(0, n + 1 - trail)]
            frame = background.copy()
            # A bar from the right is a mirrored bar from the left.
            view, seen = (frame, room) if crossing % 2 == 0 else (frame[:, ::-1], room[:, ::-1])
            for first, last in ((trailing, left), (left + bar, following + bar)):
                columns = slice(max(0, first), max(0, last))
                view[:, columns] = seen[:, columns]
            view[:, max(0, left) : max(0, left + bar)] = YELLOW
            yield frame


@dataclass(frozen=True, slots=True)
class _Pose:
    """Pose of the person: shift in pixels, and lean in columns per row above the bottom."""

    down: int
    right: int
    lean: float


class _Camera:
    """Makes the frames of a camera with a poor background replacement.

    The person is one picture and one signed distance map of the outline, stored as
    `code = 128 + 4 * pixels` (above 128 inside). Both are shifted together, and a mask of any
    width and softness is a lookup table of 256 entries.
    """

    def __init__(self, room: U8, background: U8, noise: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.room = room
        self.background = background
        self.height, self.width = height, width = room.shape[:2]
        self.phases = rng.uniform(0, 2 * math.pi, 6)
        self.margin_y = height // 20 + 2
        self.margin_x = math.ceil(0.17 * width + 0.2 * height) + 2
        self.portrait, self.outline = _person(height, width, self.margin_y, self.margin_x, rng)
        shape = (height + _NOISE_SLACK, width + _NOISE_SLACK)
        self.noise = np.clip(rng.normal(0, noise, (*shape, 3)).round(), -127, 127).astype(np.int8)
        self.unevenness = _unevenness(shape, rng)
        self.rng = rng
        # Reused in all frames: allocation costs more than filling them.
        self.person = np.empty((height, width, 3), np.uint8)
        self.codes = np.empty((height, width), np.uint8)
        self.mask_codes = np.empty((height, width), np.uint8)

    def pose(self, seconds: float) -> _Pose:
        """Return the pose: sums of sines whose common period is long."""
        wave = [
            math.sin(2 * math.pi * seconds / period + phase)
            for period, phase in zip((7.3, 2.9, 4.1, 5.3, 1.7), self.phases, strict=False)
        ]
        return _Pose(
            down=round(self.height * 0.03 * wave[2]),
            right=round(self.width * (0.12 * wave[0] + 0.04 * wave[1])),
            lean=0.13 * wave[3] + 0.03 * wave[4],
        )

    def frame(self, seconds: float, lag_seconds: float) -> U8:
        """Make the frame at a time, with the mask of `lag_seconds` before: (h, w, 3) uint8."""
        self._place(self.pose(seconds), self.codes, self.person)
        self._place(self.pose(seconds - lag_seconds), self.mask_codes, None)
        y, x = self.rng.integers(0, _NOISE_SLACK, 2)
        noise = self.noise[y : y + self.height, x : x + self.width]
        drift = int(seconds * 20) % _NOISE_SLACK
        self.mask_codes += self.unevenness[drift : drift + self.height, drift : drift + self.width]
        scale = self.height / 720
        wider = scale * (1.5 + 2.5 * math.sin(2 * math.pi * seconds / 1.3 + self.phases[5]))
        mask = np.take(_coverage(wider, 4 * scale), self.mask_codes)
        matte = np.take(_coverage(0, 1), self.codes)

        frame: U8 = self.background.copy()
        rows = np.flatnonzero(mask.any(axis=1))
        columns = np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return frame
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        mask, matte, shown = mask[box], matte[box], frame[box]
        whole = (mask == 255) & (matte == 255)
        person = np.add(self.person[box], noise[box], dtype=np.int16)
        np.clip(person, 0, 255, out=person)
        np.copyto(shown, person, where=whole[..., None], casting="unsafe")
        edge = np.nonzero((mask > 0) & ~whole)
        alpha = matte[edge][:, None] / np.float32(255)
        seen = self.person[box][edge] * alpha + self.room[box][edge] * (1 - alpha)
        seen += noise[box][edge]
        share = mask[edge][:, None] / np.float32(255)
        shown[edge] = np.clip(seen * share + shown[edge] * (1 - share) + 0.5, 0, 255)
        return frame

    def _place(self, pose: _Pose, codes: U8, person: U8 | None) -> None:
        """Draw the outline and the picture in a pose into `codes` and `person`."""
        for top in range(0, self.height, _STRIP_ROWS):
            bottom = min(self.height, top + _STRIP_ROWS)
            y = slice(top + self.margin_y - pose.down, bottom + self.margin_y - pose.down)
            left = self.margin_x - pose.right - round(pose.lean * (self.height - top))
            x = slice(left, left + self.width)
            codes[top:bottom] = self.outline[y, x]
            if person is not None:
                person[top:bottom] = self.portrait[y, x]


def _person(
    height: int, width: int, margin_y: int, margin_x: int, rng: np.random.Generator
) -> tuple[U8, U8]:
    """Draw head and shoulders: picture and outline codes with margins on all sides."""
    rows, columns = height + 2 * margin_y, width + 2 * margin_x
    y = (np.arange(rows) - margin_y)[:, None] / height
    x = (np.arange(columns) - margin_x - width / 2)[None, :] / height
    head = _inside_ellipse(y - 0.36, x, 0.155, 0.115)
    neck = np.minimum(0.06 - np.abs(x), 0.12 - np.abs(y - 0.52))
    # Below the widest row of the shoulders the outline is vertical.
    shoulders = _inside_ellipse(np.minimum(y - 1, 0), x, 0.4, 0.42)
    inside = np.maximum(np.maximum(head, neck), shoulders) * height
    codes = np.clip(_EDGE_CODE + _CODES_PER_PIXEL * inside, _OUTERMOST_CODE, _INNERMOST_CODE)

    picture = np.empty((rows, columns, 3))
    stripes = np.sin(y * 190) > 0.3
    picture[:] = np.where(stripes[..., None], (60.0, 80.0, 130.0), (88.0, 110.0, 160.0))
    skin = np.maximum(head, neck) > np.maximum(shoulders, -0.01)
    picture[skin] = (214, 164, 136)
    picture[(head > -0.01) & (y < 0.30 + 0.25 * x * x)] = (70, 46, 34)
    for side in (-1, 1):
        picture[_inside_ellipse(y - 0.36, x - side * 0.045, 0.012, 0.02) > 0] = (50, 40, 40)
    picture[_inside_ellipse(y - 0.44, x, 0.01, 0.035) > 0] = (160, 80, 80)
    shading = 1 - 0.35 * np.clip(x / 0.4, -0.5, 1) + 0.03 * np.sin(37 * x + 23 * y)
    picture *= shading[..., None]
    picture += rng.normal(0, 2, (rows, columns, 1))
    return np.clip(picture, 0, 255).astype(np.uint8), codes.astype(np.uint8)


def _inside_ellipse(y: F64, x: F64, radius_y: float, radius_x: float) -> F64:
    """Approximate the signed distance to an ellipse around the origin, positive inside."""
    # To first order, the distance to the level set f = 1 is (1 - f) / |grad f|.
    level = np.sqrt((x / radius_x) ** 2 + (y / radius_y) ** 2)
    slope = np.sqrt((x / radius_x**2) ** 2 + (y / radius_y**2) ** 2)
    distance: F64 = (1 - level) * level / np.maximum(slope, 1e-6)
    return distance


def _unevenness(shape: tuple[int, int], rng: np.random.Generator) -> U8:
    """Make a smooth random offset of the codes, -16 to 16, as uint8 to add modulo 256."""
    coarse = rng.uniform(-1, 1, (shape[0] // 40 + 2, shape[1] // 40 + 2)).astype(np.float32)
    smooth = Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC)
    codes = np.clip(np.asarray(smooth) * 3 * _CODES_PER_PIXEL, -16, 16)
    wrapped: U8 = codes.astype(np.int8).view(np.uint8)
    return wrapped


def _coverage(wider: float, softness: float) -> U8:
    """Make the lookup table from code to opacity, 0 to 255, of a mask widened by `wider` pixels."""
    pixels = (np.arange(256) - _EDGE_CODE) / _CODES_PER_PIXEL + wider
    opacity = np.clip(255 * (pixels / max(1.0, softness) + 0.5), 0, 255)
    table: U8 = opacity.round().astype(np.uint8)
    return table
