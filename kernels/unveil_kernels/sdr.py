"""Mapping of HDR and wide-gamut colours to BT.709 SDR, by tables and a matrix."""

from __future__ import annotations

import numpy as np

from unveil_kernels._jit import kernel


@kernel
def map_to_sdr(
    planes,
    linear,
    scene_weights,
    scene_power,
    matrix,
    peak,
    gains,
    codes,
    green_out,
    blue_out,
    red_out,
):
    """Map R'G'B' of a wide gamut or of high dynamic range to R'G'B' of 8 bits.

    Each pixel becomes linear light, then light of the display, is converted to the primaries of
    the output, scaled down by a gain that depends on its largest component, and encoded.

    Parameters
    ----------
    planes : (3, h, w) uint16
        Green, blue and red, below `len(linear)`.
    linear : (n,) float32
        Linear light of each level.
    scene_weights : (3,) float32
        Weights of red, green and blue in the luminance of the input's primaries.
    scene_power : float
        The light is multiplied by its luminance to this power: gamma - 1 of HLG's OOTF. 0: not.
    matrix : (3, 3) float32
        From linear RGB of the input to linear RGB of the output, in which 1 is white.
    peak : float
        Largest component that `gains` covers; components above it are treated as equal to it.
    gains, codes : (m + 1,) float32, (m + 1,) uint8
        By round(m * sqrt(x)): the gain for a largest component of x * `peak`, and the level of a
        component of x. The square root spaces the entries about evenly for the eye.
    green_out, blue_out, red_out : (h, w) uint8
        Written.
    """
    last_gain = len(gains) - 1
    last_code = len(codes) - 1
    for y in range(planes.shape[1]):
        for x in range(planes.shape[2]):
            green = linear[planes[0, y, x]]
            blue = linear[planes[1, y, x]]
            red = linear[planes[2, y, x]]
            if scene_power != 0.0:
                luminance = (
                    scene_weights[0] * red + scene_weights[1] * green + scene_weights[2] * blue
                )
                factor = luminance**scene_power
                red *= factor
                green *= factor
                blue *= factor
            r = max(0.0, matrix[0, 0] * red + matrix[0, 1] * green + matrix[0, 2] * blue)
            g = max(0.0, matrix[1, 0] * red + matrix[1, 1] * green + matrix[1, 2] * blue)
            b = max(0.0, matrix[2, 0] * red + matrix[2, 1] * green + matrix[2, 2] * blue)
            largest = max(r, g, b)
            gain = gains[int(last_gain * np.sqrt(min(1.0, largest / peak)) + 0.5)]
            red_out[y, x] = codes[int(last_code * np.sqrt(min(1.0, gain * r)) + 0.5)]
            green_out[y, x] = codes[int(last_code * np.sqrt(min(1.0, gain * g)) + 0.5)]
            blue_out[y, x] = codes[int(last_code * np.sqrt(min(1.0, gain * b)) + 0.5)]
