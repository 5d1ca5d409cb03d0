"""Colour spaces and colour distances by their standard formulas, on flat arrays of colours."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import inlined, kernel


@kernel
def decode_ycbcr(levels, kr, kb, luma_floor, luma_span, chroma_span, rgb_out):
    """Convert Y'CbCr to R'G'B'.

    Parameters
    ----------
    levels : (n, 3) float64
        Y', Cb and Cr as 8-bit levels, with fractions.
    kr, kb : float
        Weights of red and blue in the luma, as ITU-R BT.601, BT.709, BT.2020 ... give them.
    luma_floor, luma_span, chroma_span : float
        Black, and the spans of luma and chroma: 16, 219, 224 or, in full range, 0, 255, 255.
    rgb_out : (n, 3) float64
        0 to 255, clipped.
    """
    for i in range(len(levels)):
        y = (levels[i, 0] - luma_floor) / luma_span
        cb = (levels[i, 1] - 128.0) / chroma_span
        cr = (levels[i, 2] - 128.0) / chroma_span
        red = y + 2.0 * (1.0 - kr) * cr
        blue = y + 2.0 * (1.0 - kb) * cb
        green = (y - kr * red - kb * blue) / (1.0 - kr - kb)
        rgb_out[i, 0] = 255.0 * min(max(red, 0.0), 1.0)
        rgb_out[i, 1] = 255.0 * min(max(green, 0.0), 1.0)
        rgb_out[i, 2] = 255.0 * min(max(blue, 0.0), 1.0)


def _linear_light() -> np.ndarray:
    """Tabulate the inverse of sRGB's transfer function (IEC 61966-2-1) in steps of 1/16 level."""
    v = np.arange(255 * 16 + 2) / (255.0 * 16)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


LINEAR_LIGHT = _linear_light()
"""Linear interpolation of it is exact to 3e-8 and costs a fifth of the power."""


@inlined
def _linear(value):
    """Linear light of an sRGB value of 0 to 255."""
    step = int(value * 16.0)
    return LINEAR_LIGHT[step] + (value * 16.0 - step) * (
        LINEAR_LIGHT[step + 1] - LINEAR_LIGHT[step]
    )


@inlined
def _lab_root(t):
    """Return the cube root of CIE L*a*b*, linear near black."""
    if t > 216.0 / 24389.0:
        return np.cbrt(t)
    return (24389.0 / 27.0 * t + 16.0) / 116.0


@kernel
def rgb_to_lab(rgb, lab_out):
    """Convert sRGB of 0 to 255, (n, 3), to CIE L*a*b* with the white point D65, (n, 3) float64."""
    for i in range(len(rgb)):
        red = _linear(rgb[i, 0])
        green = _linear(rgb[i, 1])
        blue = _linear(rgb[i, 2])
        x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
        y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
        z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
        fx = _lab_root(x)
        fy = _lab_root(y)
        fz = _lab_root(z)
        lab_out[i, 0] = 116.0 * fy - 16.0
        lab_out[i, 1] = 500.0 * (fx - fy)
        lab_out[i, 2] = 200.0 * (fy - fz)


@kernel
def ciede2000_pairs(lab_a, lab_b, distance_out):
    """CIEDE2000 between the colours of two lists, (n, 3) float64 in L*a*b*, with unit weights.

    The formulas and their numbering are those of Sharma, Wu and Dalal, "The CIEDE2000
    color-difference formula: implementation notes, supplementary test data, and
    mathematical observations", Color Research and Application 30 (2005).
    """
    seventh = 25.0**7
    for i in range(len(lab_a)):
        light_a, light_b = lab_a[i, 0], lab_b[i, 0]
        chroma_mean = 0.5 * (
            np.hypot(lab_a[i, 1], lab_a[i, 2]) + np.hypot(lab_b[i, 1], lab_b[i, 2])
        )
        power = chroma_mean**7
        g = 0.5 * (1.0 - np.sqrt(power / (power + seventh)))
        a_a = (1.0 + g) * lab_a[i, 1]
        a_b = (1.0 + g) * lab_b[i, 1]
        chroma_a = np.hypot(a_a, lab_a[i, 2])
        chroma_b = np.hypot(a_b, lab_b[i, 2])
        hue_a = np.arctan2(lab_a[i, 2], a_a) % (2.0 * np.pi)
        hue_b = np.arctan2(lab_b[i, 2], a_b) % (2.0 * np.pi)
        # A grey colour has no hue: the difference is 0, and the mean is the sum.
        turn = 0.0
        hue_mean = hue_a + hue_b
        if chroma_a * chroma_b != 0.0:
            turn = hue_b - hue_a
            hue_mean = 0.5 * (hue_a + hue_b)
            if abs(turn) > np.pi:
                hue_mean += np.pi if hue_a + hue_b < 2.0 * np.pi else -np.pi
                turn += -2.0 * np.pi if turn > 0.0 else 2.0 * np.pi
        d_light = light_b - light_a
        d_chroma = chroma_b - chroma_a
        d_hue = 2.0 * np.sqrt(chroma_a * chroma_b) * np.sin(0.5 * turn)
        light_mean = 0.5 * (light_a + light_b)
        chroma_mean = 0.5 * (chroma_a + chroma_b)
        t = (
            1.0
            - 0.17 * np.cos(hue_mean - np.radians(30.0))
            + 0.24 * np.cos(2.0 * hue_mean)
            + 0.32 * np.cos(3.0 * hue_mean + np.radians(6.0))
            - 0.20 * np.cos(4.0 * hue_mean - np.radians(63.0))
        )
        power = chroma_mean**7
        rotation_chroma = 2.0 * np.sqrt(power / (power + seventh))
        rotation_angle = np.radians(60.0) * np.exp(-(((np.degrees(hue_mean) - 275.0) / 25.0) ** 2))
        square = (light_mean - 50.0) ** 2
        light = d_light / (1.0 + 0.015 * square / np.sqrt(20.0 + square))
        chroma = d_chroma / (1.0 + 0.045 * chroma_mean)
        hue = d_hue / (1.0 + 0.015 * chroma_mean * t)
        rotation = -np.sin(rotation_angle) * rotation_chroma
        distance_out[i] = np.sqrt(
            max(0.0, light * light + chroma * chroma + hue * hue + rotation * chroma * hue)
        )


@kernel
def cosine_pairs(rgb_a, rgb_b, similarity_out):
    """Cosine of the angle between RGB vectors, (n, 3) float64; 1 where one of them is black."""
    for i in range(len(rgb_a)):
        dot = 0.0
        square_a = 0.0
        square_b = 0.0
        for c in range(3):
            dot += rgb_a[i, c] * rgb_b[i, c]
            square_a += rgb_a[i, c] * rgb_a[i, c]
            square_b += rgb_b[i, c] * rgb_b[i, c]
        norm = np.sqrt(square_a) * np.sqrt(square_b)
        similarity_out[i] = dot / norm if norm > 0.0 else 1.0
