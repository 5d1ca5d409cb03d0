"""Curves that bring HDR (PQ, HLG) and wide gamuts (BT.2020, P3) to BT.709 in SDR.

Midtones keep their luminance and highlights are rolled off:

- PQ and HLG become light of a display of 1000 cd/m2 by Rec. ITU-R BT.2100-2, tables 4 and 5.
- The SDR white is 203 cd/m2, the HDR reference white of Report ITU-R BT.2408.
- Primaries are converted in linear light; what BT.709 cannot show is clipped.
- Highlights follow the EETF of Report ITU-R BT.2390-8, section 5.4.1, on the largest of the three
  components: light below 0.43 of the SDR white is unchanged, 203 cd/m2 becomes 0.78 of it,
  1000 cd/m2 and all above become white.
- The result is encoded for a display of gamma 2.4 (Rec. ITU-R BT.1886).

Colours of a wide gamut in SDR only change their primaries; they keep their own curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from unveil.arrays import F32, F64, U8, U16

LEVELS: Final = 4096
"""Input levels, 12 bits."""

_STEPS: Final = 8192
"""Steps of the tables over light; half of one is less than 0.1 level of the output."""

SDR_WHITE: Final = 203.0
HDR_PEAK: Final = 1000.0
"""In cd/m2."""

PQ: Final = 16
HLG: Final = 18
LINEAR: Final = 8
SRGB: Final = 13
"""FFmpeg's AVColorTransferCharacteristic."""

_SDR_GAMMAS: Final = {4: 2.2, 5: 2.8}
"""Exponents of the SDR displays that are none of BT.1886's 2.4."""

_BT709: Final = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290))
_PRIMARIES: Final = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3140, 0.3510)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),
}
"""Chromaticities of red, green, blue and white by FFmpeg's AVColorPrimaries: BT.2020, DCI-P3,
Display P3 (Rec. ITU-R BT.2020, SMPTE RP 431-2 and EG 432-1)."""

WIDE_PRIMARIES: Final = frozenset(_PRIMARIES)
HDR_NAMES: Final = {PQ: "PQ", HLG: "HLG"}
WIDE_NAMES: Final = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


@dataclass(frozen=True, slots=True)
class SdrCurves:
    """What `unveil_kernels.sdr.map_to_sdr` needs, by its names."""

    linear: F32
    scene_weights: F32
    scene_power: float
    matrix: F32
    peak: float
    gains: F32
    codes: U8

    def apply(self, planes: U16, target: tuple[U8, U8, U8]) -> None:
        """Map planes (3, h, w), green, blue and red below `LEVELS`, to three of (h, w)."""
        from unveil_kernels.sdr import map_to_sdr  # Numba: most videos do not need it

        map_to_sdr(
            planes,
            self.linear,
            self.scene_weights,
            self.scene_power,
            self.matrix,
            self.peak,
            self.gains,
            self.codes,
            *target,
        )


@lru_cache(maxsize=16)
def sdr_curves(transfer: int, primaries: int, *, full_range: bool) -> SdrCurves:
    """Make the tables for a transfer function and primaries, as FFmpeg's numbers.

    HDR of unnamed primaries has those of BT.2020, the only ones of BT.2100. `full_range` is
    False where the levels of R'G'B' are those of studio range.
    """
    hdr = transfer in HDR_NAMES
    black, span = (0.0, LEVELS - 1.0) if full_range else (256.0, 3504.0)
    signal = np.clip((np.arange(LEVELS) - black) / span, 0.0, 1.0)
    source = _PRIMARIES.get(primaries, _PRIMARIES[9] if hdr and primaries == 2 else _BT709)
    to_xyz = _rgb_to_xyz(source)
    matrix = np.linalg.solve(_rgb_to_xyz(_BT709), to_xyz)
    matrix /= matrix.sum(axis=1, keepdims=True)  # white stays white
    power, peak = 0.0, 1.0
    gains = np.ones(_STEPS + 1)
    if hdr:
        peak = HDR_PEAK / SDR_WHITE
        gains = _highlight_gains(peak)
    if transfer == PQ:
        light = pq_light(signal) / SDR_WHITE
    elif transfer == HLG:
        light, power = _hlg_scene_light(signal), 0.2
        matrix *= peak
    elif transfer == LINEAR:
        light = signal
    elif transfer == SRGB:
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    else:
        light = signal ** _SDR_GAMMAS.get(transfer, 2.4)
    shown = (np.arange(_STEPS + 1) / _STEPS) ** 2
    if transfer in (SRGB, LINEAR):
        coded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    else:
        coded = shown ** (1 / _SDR_GAMMAS.get(transfer, 2.4))
    return SdrCurves(
        light.astype(np.float32),
        to_xyz[1].astype(np.float32),
        power,
        matrix.astype(np.float32),
        peak,
        gains.astype(np.float32),
        np.rint(255 * coded).astype(np.uint8),
    )


def pq_light(signal: F64) -> F64:
    """Convert PQ signals of 0 to 1 to cd/m2 (SMPTE ST 2084)."""
    root = signal ** (32 / 2523)
    return 10_000 * (
        np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    ) ** (16384 / 2610)  # fmt: skip


def pq_signal(light: F64) -> F64:
    """Convert cd/m2 to PQ signals of 0 to 1, the inverse of `pq_light`."""
    root = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)


def _hlg_scene_light(signal: F64) -> F64:
    """Convert HLG signals of 0 to 1 to light of the scene, 0 to 1 (BT.2100, table 5)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def _highlight_gains(peak: float) -> F64:
    """Tabulate the EETF of BT.2390 as a factor, by the square root of the light / `peak`."""
    light = SDR_WHITE * peak * (np.arange(_STEPS + 1) / _STEPS) ** 2
    brightest = pq_signal(np.array(SDR_WHITE * peak))
    white = pq_signal(np.array(SDR_WHITE)) / brightest
    knee = 1.5 * white - 0.5
    signal = pq_signal(light) / brightest
    t = np.maximum(0.0, (signal - knee) / (1 - knee))
    rolled = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * white
    )
    mapped = pq_light(np.where(signal < knee, signal, rolled) * brightest)
    # Below the knee the gain is 1, and at black the quotient is not defined.
    return np.where(signal < knee, 1.0, mapped / np.maximum(light, 1e-9))


def _rgb_to_xyz(chromaticities: tuple[tuple[float, float], ...]) -> F64:
    """Make the matrix from linear RGB to CIE XYZ (SMPTE RP 177); white has Y = 1."""
    x, y = np.array(chromaticities).T
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
