"""What a user names as output: a file, pictures, a pipe, a virtual camera or a WHIP endpoint."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from unveil.errors import InvalidParameter, OutputExists
from unveil.files import is_there, refuse_unwritable_name
from unveil.protection.sinks.encoders import ALPHA_CONTAINERS, ALPHA_FORMATS, CODEC, CODECS
from unveil.protection.whip.address import WhipAddress, whip_address
from unveil.protection.whip.token import read_token
from unveil.redaction import file_name, printable

Kind = Literal["file", "pictures", "pipe", "camera", "whip"]

PIPE: Final = "-"

_CAMERA: Final = re.compile(r"camera(?::(.+))?")
_WHIP: Final = re.compile(r"whip:(.*)", re.IGNORECASE | re.DOTALL)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
NUMBER: Final = re.compile(r"%(?:0\d\d?)?d")


@dataclass(frozen=True, slots=True)
class Output:
    """What a user named as output.

    `path` is a file, or a pattern with one `%d` for pictures; `device` is a virtual camera's;
    `address` and `token` are a WHIP endpoint's.
    """

    kind: Kind
    path: Path = Path()
    device: str | None = None
    address: WhipAddress | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """How messages call it."""
        return printable(str(self.path)) if self.has_report else self.file_name

    @property
    def file_name(self) -> str:
        """How its report calls it: without the folder, and of an address the host alone."""
        if self.address is not None:
            return f"whip:{self.address.host}"
        return {"pipe": "standard output", "camera": "virtual camera"}.get(
            self.kind, file_name(self.path)
        )

    @property
    def has_report(self) -> bool:
        """Whether a report can lie beside it."""
        return self.kind in ("file", "pictures")

    @property
    def is_encoded(self) -> bool:
        """Whether this program chooses the encoder."""
        return self.kind not in ("camera", "whip")

    @property
    def label(self) -> str:
        """Its file's name without suffix and number."""
        return NUMBER.sub("", self.path.stem).strip("-_. ") or "frames"

    def picture(self, number: int) -> Path:
        """Return the file of a numbered picture; the folder's name is taken as it is."""
        return self.path.with_name(NUMBER.sub(lambda place: place[0] % number, self.path.name))

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
        """Raise what can be known before the work begins.

        Raises
        ------
        OutputExists
            It would replace a file, and `force` is not set.
        OutputUnwritable
            No file can have this name.
        """
        if self.kind in ("file", "pictures"):
            refuse_unwritable_name(self.path if self.kind == "file" else self.picture(1))
        if not force and self._exists():
            raise OutputExists(
                f"{self.name}: exists; choose another name, or --force to replace it"
            )

    def _exists(self) -> bool:
        if self.kind == "file":
            return is_there(self.path)
        if self.kind != "pictures" or not self.path.parent.is_dir():
            return False
        before, after = (re.escape(part) for part in NUMBER.split(self.path.name))
        numbered = re.compile(f"{before}(\\d+){after}")
        matches = (numbered.fullmatch(path.name) for path in self.path.parent.iterdir())
        return any(match and self.picture(int(match[1])).name == match[0] for match in matches)


def output_of(
    argument: str | os.PathLike[str], token_file: str | os.PathLike[str] | None = None
) -> Output:
    """Tell what an output is.

    "-", "camera", "camera:DEVICE", "whip:URL" (with the token of `token_file` or of the
    environment), a pattern of pictures, or a file.

    Raises
    ------
    InvalidParameter
        It is a picture without a number, or with more than one; the address or the token cannot
        be used; or a token is given to what takes none.
    MissingInput
        The token's file cannot be read.
    """
    text = os.fspath(argument)
    whip = _WHIP.fullmatch(text) if isinstance(argument, str) else None
    if whip is not None:
        return Output("whip", address=whip_address(whip[1]), token=read_token(token_file))
    if token_file is not None:
        raise InvalidParameter("token_file: is for an output whip:URL only")
    if isinstance(argument, str):
        if _ADDRESS.match(text):
            raise InvalidParameter(
                "output: is an address; write whip: before it to publish there by WHIP"
            )
        if text == PIPE:
            return Output("pipe", Path(PIPE))
        camera = _CAMERA.fullmatch(text)
        if camera:
            return Output("camera", device=camera[1])
    path = Path(text)
    if path.suffix.lower() == ".png":
        numbers = NUMBER.findall(path.name)
        if len(numbers) != 1:
            has = "has more than one number" if numbers else "names one picture"
            raise InvalidParameter(f"output: {path.name} {has}; number them, as in frame-%05d.png")
        return Output("pictures", path)
    return Output("file", path)
