"""What a user names as output: a file, pictures, a pipe or a virtual camera."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable
from unveil.protection.sinks.encoders import ALPHA_CONTAINERS, ALPHA_FORMATS, CODEC, CODECS
from unveil.redaction import printable

Kind = Literal["file", "pictures", "pipe", "camera"]

PIPE: Final = "-"

_CAMERA: Final = re.compile(r"camera(?::(.+))?")
NUMBER: Final = re.compile(r"%(?:0\d+)?d")


@dataclass(frozen=True, slots=True)
class Output:
    """What a user named as output.

    `path` is a file, or a pattern with one `%d` for pictures; `device` is a virtual camera's.
    """

    kind: Kind
    path: Path = Path()
    device: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return {"pipe": "standard output", "camera": "virtual camera"}.get(
            self.kind, printable(str(self.path))
        )

    @property
    def report_path(self) -> Path | None:
        """Where the report goes; a pipe and a camera have none."""
        if self.kind in ("pipe", "camera"):
            return None
        stem = NUMBER.sub("", self.path.stem).strip("-_. ") or "frames"
        return self.path.with_name(f"{stem}.report.json")

    @property
    def holds_sound(self) -> bool:
        """Whether sound can go there."""
        return self.kind in ("file", "pipe")

    def codec(self, chosen: str | None) -> str:
        """Name the encoder: the chosen one, or what suits the container."""
        if self.kind == "pictures":
            return "png"
        return chosen or CODECS.get(self.path.suffix.lower(), CODEC)

    def keeps_alpha(self, chosen: str | None) -> bool:
        """Whether transparency arrives there, with this choice of an encoder.

        Raises
        ------
        InvalidParameter
            The container is taken for its transparency, which the chosen encoder lacks.
        """
        if self.kind == "pictures":
            return True
        suffix = self.path.suffix.lower()
        has_alpha = self.codec(chosen) in ALPHA_FORMATS and suffix in ALPHA_CONTAINERS
        if chosen is not None and suffix == ".webm" and not has_alpha:
            raise InvalidParameter(
                f"codec: {chosen} keeps no transparency in {suffix}; take libvpx-vp9, or name the "
                "colour to show with --background"
            )
        return self.kind == "file" and has_alpha

    def refuse_earlier_result(self, *, force: bool) -> None:
        """Raise `OutputExists` where something would be replaced that should not be."""
        if self.kind == "file" and self.path.is_dir():
            raise OutputUnwritable(f"{self.path}: is a folder; name a file in it")
        if not force and any(path.exists() for path in self._existing()):
            raise OutputExists(
                f"{self.name}: exists; choose another name, or --force to replace it"
            )

    def remove_pictures(self) -> None:
        """Remove an earlier sequence: a longer one would outlast the new one."""
        if self.kind == "pictures":
            for path in self._existing():
                path.unlink(missing_ok=True)

    def _existing(self) -> list[Path]:
        if self.kind == "file":
            return [self.path]
        if self.kind != "pictures" or not self.path.parent.is_dir():
            return []
        before, after = NUMBER.split(self.path.name)
        numbered = re.compile(re.escape(before) + r"\d+" + re.escape(after))
        return [path for path in self.path.parent.iterdir() if numbered.fullmatch(path.name)]


def output_of(argument: str | os.PathLike[str]) -> Output:
    """Tell what an output is: "-", "camera", "camera:DEVICE", a pattern of pictures, a file.

    Raises
    ------
    InvalidParameter
        It is a picture without a number.
    """
    text = os.fspath(argument)
    if isinstance(argument, str):
        if text == PIPE:
            return Output("pipe", Path(PIPE))
        camera = _CAMERA.fullmatch(text)
        if camera:
            return Output("camera", device=camera[1])
    path = Path(text)
    if path.suffix.lower() == ".png":
        if len(NUMBER.findall(path.name)) != 1:
            raise InvalidParameter(
                f"output: {path.name} names one picture; number them, as in frame-%05d.png"
            )
        return Output("pictures", path)
    return Output("file", path)
