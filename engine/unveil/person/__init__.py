"""Where the person is in a frame, by MediaPipe's networks BlazePose and selfie segmentation.

>>> from unveil.person import Segmenter
>>> segmenter = Segmenter("full")
>>> mask = segmenter.mask(frame)
>>> mask.at(frame.height, frame.width)  # (h, w) float32, 1 where the person is
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unveil.person.mask import Mask
    from unveil.person.models import MODELS, ModelName
    from unveil.person.segmenter import Segmenter

__all__ = ["MODELS", "Mask", "ModelName", "Segmenter"]

_HOMES = {"MODELS": "models", "Mask": "mask", "ModelName": "models", "Segmenter": "segmenter"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the names of the models need no Numba and no FFmpeg."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"unveil.person.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
