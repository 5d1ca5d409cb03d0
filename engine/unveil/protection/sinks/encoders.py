"""Which encoder an output gets, with which settings, and which of them keep transparency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import av

from unveil.protection.frames import alpha_format_of, pixel_format_of
from unveil.protection.sinks.sink import Footage

CODECS: Final = {".webm": "libvpx-vp9"}
CODEC: Final = "libx264"

OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "libvpx-vp9": {"deadline": "good", "cpu-used": "5", "row-mt": "1"},
    "libvpx": {"deadline": "good", "cpu-used": "5"},
    "libx265": {"x265-params": "log-level=error"},  # it writes to standard error by itself
}
PRESETS: Final[Mapping[str, str]] = {"libx264": "veryfast", "libx265": "veryfast"}
"""Encoding shares the cores with the networks."""

ALPHA_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "libvpx-vp9": ("yuva420p",),
    "libvpx": ("yuva420p",),
    "ffv1": ("yuva420p", "yuva422p", "yuva444p"),
    "prores_ks": ("yuva444p10le",),
    "qtrle": ("argb",),
    "png": ("rgba",),
}
"""Encoders whose transparency players know, and what they store."""

ALPHA_CONTAINERS: Final = frozenset({".webm", ".mkv", ".mov", ".avi", ".nut"})


def stored_format(codec: str, footage: Footage) -> str:
    """Choose in which pixel format an encoder is to store the frames."""
    own = alpha_format_of(footage.layout) if footage.alpha else pixel_format_of(footage.layout)
    try:
        known = [known.name for known in av.Codec(codec, "w").video_formats or []]
    except ValueError:
        return "yuv420p"  # the writer tells that there is no such encoder
    if footage.alpha:
        formats = ALPHA_FORMATS[codec]
        return own if own in formats else formats[0]
    # What every player shows, even where the input has finer chroma, as many cameras have.
    if not known or "yuv420p" in known:
        return "yuv420p"
    return own if own in known else known[0]
