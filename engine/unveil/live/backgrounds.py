"""`Backgrounds`: the built-in ones, those that the page sent, and one from the command line."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageColor

from unveil.arrays import U8
from unveil.errors import InvalidParameter
from unveil.files import is_still, is_there, read_image
from unveil.live.uploads import decode_upload, reduced
from unveil.protection.backdrop import make_backdrop
from unveil.protection.frames import Converter, frame_of
from unveil.protection.parameters import Background
from unveil.redaction import file_name
from unveil.scenery import SCENES
from unveil.video.chunk import Layout
from unveil.video.geometry import Shape, cover

MAX_UPLOADS: Final = 8
"""Uploaded pictures that are kept: at most 50 MB. A further one replaces the oldest."""

THUMBNAIL: Final = Shape(90, 160)

COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")

GIVEN: Final = "given"
"""Id of the background from the command line."""


@dataclass(frozen=True, slots=True)
class BackgroundEntry:
    """A background that the page can choose.

    Attributes
    ----------
    id, name
        For the protocol, and for people.
    source
        What a `Protector` takes.
    thumbnail
        A JPEG of 160x90 pixels.
    """

    id: str
    name: str
    source: Background
    thumbnail: bytes

    def as_dict(self) -> dict[str, str]:
        """Return what the page is told."""
        return {
            "id": self.id,
            "name": self.name,
            "thumbnail_url": f"/backgrounds/{self.id}.jpg",
        }


class Backgrounds:
    """All backgrounds by their ids; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries = {entry.id: entry for entry in _built_in()}
        self._uploads: list[str] = []
        self._n_uploads = 0

    def entries(self) -> list[BackgroundEntry]:
        """Return all backgrounds, in the order in which the page shows them."""
        with self._lock:
            return list(self._entries.values())

    def find(self, id_: str) -> BackgroundEntry | None:
        """Return a background, None if there is none of this id."""
        with self._lock:
            return self._entries.get(id_)

    def check(self, id_: str) -> None:
        """Raise `InvalidParameter` if a text is neither an id nor a colour "#rrggbb"."""
        self.source(id_)

    def source(self, id_: str) -> Background:
        """Return what a `Protector` takes for an id or a colour "#rrggbb".

        Raises
        ------
        InvalidParameter
            It is neither.
        """
        if COLOUR.fullmatch(id_):
            return id_
        entry = self.find(id_)
        if entry is None:
            raise InvalidParameter(
                f"background: {id_[:40]!r} is no background and no colour such as #204060"
            )
        return entry.source

    def add_upload(self, data: bytes, in_use: Collection[str] = ()) -> BackgroundEntry:
        """Add a picture that the page sent; the same bytes again are the same background.

        `in_use` are the ids of backgrounds that must stay.

        Raises
        ------
        UnreadableImage
            As `decode_upload`.
        """
        id_ = "upload-" + hashlib.sha256(data).hexdigest()[:16]
        known = self.find(id_)
        if known is not None:
            return known
        picture = decode_upload(data)
        with self._lock:
            self._n_uploads += 1
            entry = _entry(id_, f"Picture {self._n_uploads}", picture)
            if len(self._uploads) >= MAX_UPLOADS:
                oldest = next(old for old in self._uploads if old not in in_use)
                self._uploads.remove(oldest)
                del self._entries[oldest]
            self._uploads.append(id_)
            self._entries[id_] = entry
        return entry

    def add_given(self, text: str) -> str:
        """Add a background from the command line, and return its id.

        Parameters
        ----------
        text
            The id of a built-in background, the file of a picture or a video, or a colour.

        Raises
        ------
        InvalidParameter
            It is none of them.
        UnreadableImage, UnreadableVideo
            The file cannot be read.
        """
        if self.find(text) is not None:
            return text
        path = Path(text)
        if not (is_there(path) and path.is_file()):
            try:
                red, green, blue = ImageColor.getrgb(text)[:3]
            except ValueError as error:
                raise InvalidParameter(
                    f"background: {text!r} is no file, no colour such as #204060, and none of "
                    f"{', '.join(SCENES)}"
                ) from error
            return f"#{red:02x}{green:02x}{blue:02x}"
        if is_still(path):
            entry = _entry(GIVEN, file_name(path), reduced(read_image(path)[..., :3]))
        else:
            entry = BackgroundEntry(GIVEN, file_name(path), text, _jpeg(_first_picture(path)))
        with self._lock:
            self._entries[GIVEN] = entry
        return GIVEN


@cache
def _built_in() -> tuple[BackgroundEntry, ...]:
    return tuple(_entry(id_, scene.name, scene.draw()) for id_, scene in SCENES.items())


def _entry(id_: str, name: str, picture: U8) -> BackgroundEntry:
    return BackgroundEntry(id_, name, picture, _jpeg(picture))


def _jpeg(picture: U8) -> bytes:
    shown = cover(picture, THUMBNAIL, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "JPEG", quality=85)
    return file.getvalue()


def _first_picture(path: Path) -> U8:
    """Decode the first frame of a video, (90, 160, 3) uint8."""
    layout = Layout(THUMBNAIL.height, THUMBNAIL.width, 1, 1)
    backdrop = make_backdrop(path)
    try:
        frame = frame_of(backdrop.planes(layout, 0.0), layout)
    finally:
        backdrop.close()
    return np.ascontiguousarray(Converter().picture(frame, "rgb24"))
