"""Where the person is in a frame, by MediaPipe's networks BlazePose and selfie segmentation.

>>> from unveil.person import Segmenter
>>> segmenter = Segmenter("full")
>>> mask = segmenter.mask(frame)
>>> mask.at(frame.height, frame.width)  # (h, w) float32, 1 where the person is
"""

from __future__ import annotations

from unveil.person.mask import Mask
from unveil.person.models import MODELS, ModelName
from unveil.person.segmenter import Segmenter

__all__ = ["MODELS", "Mask", "ModelName", "Segmenter"]
