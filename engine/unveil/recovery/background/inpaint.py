"""Smooth inpainting of the unknown pixels of a picture."""

from __future__ import annotations

import numpy as np

from unveil.arrays import F32, Bool


def inpaint_pull_push(picture: F32, known: Bool) -> F32:
    """Fill the unknown pixels from the known ones around them; near ones weigh most.

    The pull phase halves the picture until all pixels are known; a pixel is the mean of the known
    ones among four. The push phase interpolates the unknown pixels of each size from the next
    smaller one (Gortler et al., The Lumigraph, 1996).

    Parameters
    ----------
    picture
        (h, w, 3) float32.
    known
        (h, w) bool; if no pixel is known, the picture is returned unchanged.

    Returns
    -------
    (h, w, 3) float32; known pixels are unchanged, the others lie within their range.
    """
    if known.all() or not known.any():
        return picture
    weight = known.astype(np.float32)
    smaller, smaller_weight = _halved(np.where(known[..., None], picture, np.float32(0)), weight)
    mean: F32 = np.divide(smaller, np.maximum(smaller_weight, 1)[..., None], dtype=np.float32)
    filled = inpaint_pull_push(mean, smaller_weight > 0)
    return np.where(known[..., None], picture, _doubled(filled, known.shape))


def _halved(weighted: F32, weight: F32) -> tuple[F32, F32]:
    """Sum blocks of two by two pixels; an odd last row or column forms blocks of its own."""
    height, width = weight.shape
    odd = ((0, height % 2), (0, width % 2))
    weight = np.pad(weight, odd)
    weighted = np.pad(weighted, (*odd, (0, 0)))
    rows = weight[::2] + weight[1::2], weighted[::2] + weighted[1::2]
    return rows[1][:, ::2] + rows[1][:, 1::2], rows[0][:, ::2] + rows[0][:, 1::2]


def _doubled(picture: F32, shape: tuple[int, ...]) -> F32:
    """Double the size by linear interpolation between pixel centres, and crop to `shape`."""
    for axis, length in enumerate(shape):
        n = picture.shape[axis]
        places = np.arange(n)
        before = picture.take(np.maximum(places - 1, 0), axis)
        after = picture.take(np.minimum(places + 1, n - 1), axis)
        pair = np.stack([0.25 * before + 0.75 * picture, 0.75 * picture + 0.25 * after], axis + 1)
        merged = list(picture.shape)
        merged[axis] *= 2
        picture = pair.reshape(merged).take(np.arange(length), axis)
    return picture
