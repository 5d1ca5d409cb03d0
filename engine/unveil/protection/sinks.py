"""Where protected frames go: a file, pictures, a pipe, or a virtual camera."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol

import av

from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable, explain
from unveil.files import write_png
from unveil.protection.frames import Converter, alpha_format_of, pixel_format_of
from unveil.video.chunk import Layout
from unveil.video.pixel_format import ColourTags
from unveil.video.writer import VideoWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from av.audio.stream import AudioStream
    from av.packet import Packet

Kind = Literal["file", "pictures", "pipe", "camera"]

PIPE: Final = "-"
PIPE_CONTAINER: Final = "matroska"
"""It can be written without going back, and holds every codec."""

_CAMERA: Final = re.compile(r"camera(?::(.+))?")
_NUMBER: Final = re.compile(r"%(?:0\d+)?d")

_CODECS: Final = {".webm": "libvpx-vp9"}
_CODEC: Final = "libx264"

_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "libvpx-vp9": {"deadline": "good", "cpu-used": "5", "row-mt": "1"},
    "libvpx": {"deadline": "good", "cpu-used": "5"},
}
_PRESETS: Final[Mapping[str, str]] = {"libx264": "veryfast", "libx265": "veryfast"}
"""Encoding shares the cores with the networks."""

_ALPHA_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "libvpx-vp9": ("yuva420p",),
    "libvpx": ("yuva420p",),
    "ffv1": ("yuva420p", "yuva422p", "yuva444p"),
    "prores_ks": ("yuva444p10le",),
    "qtrle": ("argb",),
    "png": ("rgba",),
}
"""Encoders whose transparency players know, and what they store."""

_ALPHA_CONTAINERS: Final = frozenset({".webm", ".mkv", ".mov", ".avi", ".nut"})


class Sink(Protocol):
    """Takes protected frames in their order; used by one thread."""

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Take a frame that is shown at `pts`."""

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Take a packet of sound."""

    def finish(self) -> None:
        """Complete what was written."""

    def discard(self) -> None:
        """Leave nothing behind, as far as that can be."""


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
            self.kind, str(self.path)
        )

    @property
    def report_path(self) -> Path | None:
        """Where the report goes; a pipe and a camera have none."""
        if self.kind in ("pipe", "camera"):
            return None
        stem = _NUMBER.sub("", self.path.stem).strip("-_. ") or "frames"
        return self.path.with_name(f"{stem}.report.json")

    @property
    def holds_sound(self) -> bool:
        """Whether sound can go there."""
        return self.kind in ("file", "pipe")

    def codec(self, chosen: str | None) -> str:
        """Name the encoder: the chosen one, or what suits the container."""
        if self.kind == "pictures":
            return "png"
        return chosen or _CODECS.get(self.path.suffix.lower(), _CODEC)

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
        has_alpha = self.codec(chosen) in _ALPHA_FORMATS and suffix in _ALPHA_CONTAINERS
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
        before, after = _NUMBER.split(self.path.name)
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
        if len(_NUMBER.findall(path.name)) != 1:
            raise InvalidParameter(
                f"output: {path.name} names one picture; number them, as in frame-%05d.png"
            )
        return Output("pictures", path)
    return Output("file", path)


@dataclass(frozen=True, slots=True)
class Footage:
    """What a sink is to take: frames of one layout, with opacity or without, and sound."""

    layout: Layout
    alpha: bool
    frame_rate: float
    time_base: Fraction | None
    tags: ColourTags
    pixel_aspect: Fraction | None = None
    sound: Sequence[AudioStream] = ()
    live: bool = False


def open_sink(
    output: Output, footage: Footage, *, codec: str | None, crf: int | None, threads: int
) -> Sink:
    """Open an output.

    Raises
    ------
    InvalidParameter
        The encoder or the container does not fit.
    OutputUnwritable
        It cannot be written.
    """
    if output.kind == "camera":
        if codec is not None or crf is not None:
            raise InvalidParameter("codec, crf: a virtual camera takes frames as they are")
        return CameraSink(output, footage)
    if output.kind == "pictures":
        if codec not in (None, "png") or crf is not None:
            raise InvalidParameter("codec, crf: pictures are PNG, without loss")
        return PictureSink(output, footage)
    return VideoSink(output, footage, output.codec(codec), crf, threads)


class VideoSink:
    """A video file or a pipe."""

    def __init__(
        self, output: Output, footage: Footage, codec: str, crf: int | None, threads: int
    ) -> None:
        layout = footage.layout
        is_pipe = output.kind == "pipe"
        self._writer = VideoWriter(
            output.name if is_pipe else output.path,
            height=layout.height,
            width=layout.width,
            frame_rate=footage.frame_rate,
            codec=codec,
            crf=crf,
            pixel_format=_stored_format(codec, footage),
            preset=_PRESETS.get(codec),
            threads=threads,
            options=_OPTIONS.get(codec),
            tags=footage.tags,
            time_base=footage.time_base,
            pixel_aspect=footage.pixel_aspect,
            sound=footage.sound,
            file=_standard_output() if is_pipe else None,
            container=PIPE_CONTAINER if is_pipe else None,
        )
        self._writer.__enter__()

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Encode a frame."""
        self._writer.write(frame, pts)

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Copy a packet."""
        self._writer.write_sound(packet, shift_seconds)

    def finish(self) -> None:
        """Write what the encoder holds back, and give the file its name."""
        self._writer.__exit__(None, None, None)

    def discard(self) -> None:
        """Remove the file."""
        self._writer.__exit__(RuntimeError, None, None)


class PictureSink:
    """Numbered PNG files, counted from 1; each is whole or not there."""

    def __init__(self, output: Output, footage: Footage) -> None:
        if not output.path.parent.is_dir():
            raise OutputUnwritable(
                f"{output.path}: {output.path.parent} is not a folder; make it first"
            )
        output.remove_pictures()
        self._pattern = str(output.path)
        self._format = "rgba" if footage.alpha else "rgb24"
        self._converter = Converter()
        self._n_written = 0

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Write the next picture."""
        self._n_written += 1
        picture = self._converter.picture(frame, self._format)
        name = _NUMBER.sub(lambda place: place[0] % self._n_written, self._pattern)
        write_png(Path(name), picture)

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Pictures have no sound."""

    def finish(self) -> None:
        """Nothing more to write."""

    def discard(self) -> None:
        """Keep what is there: each picture is whole."""


class CameraSink:
    """A virtual camera that other programs see; it goes on showing the last frame."""

    def __init__(self, output: Output, footage: Footage) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputUnwritable(
                "virtual camera: needs pyvirtualcam; pip install 'unveil[camera]'"
            ) from error
        layout = footage.layout
        if layout.height % 2 or layout.width % 2:
            raise InvalidParameter(
                f"output: a virtual camera takes no odd size such as {layout.width}x{layout.height}"
            )
        self._camera: Any
        try:
            self._camera = pyvirtualcam.Camera(
                width=layout.width,
                height=layout.height,
                fps=footage.frame_rate,
                fmt=pyvirtualcam.PixelFormat.I420,
                device=output.device,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise OutputUnwritable(
                f"virtual camera: does not open ({explain(error)}); is one installed, as "
                "v4l2loopback on Linux or OBS elsewhere?"
            ) from error
        self._paced = not footage.live
        self._converter = Converter()

    def write(self, frame: av.VideoFrame, pts: int) -> None:
        """Show a frame; those of a file at their own pace."""
        try:
            self._camera.send(self._converter.picture(frame, "yuv420p"))
        except (RuntimeError, OSError) as error:
            raise OutputUnwritable(
                f"virtual camera: takes no more frames ({explain(error)})"
            ) from error
        if self._paced:
            self._camera.sleep_until_next_frame()

    def write_sound(self, packet: Packet[AudioStream], shift_seconds: float) -> None:
        """Cameras have no sound."""

    def finish(self) -> None:
        """Take the camera away."""
        self._camera.close()

    def discard(self) -> None:
        """Take the camera away."""
        with suppress(RuntimeError, OSError):
            self._camera.close()


def _standard_output() -> BinaryIO:
    try:
        return sys.stdout.buffer
    except AttributeError:  # None, or text alone
        raise OutputUnwritable(
            "standard output: is closed; name a file or a program that takes the video"
        ) from None


def _stored_format(codec: str, footage: Footage) -> str:
    """Choose in which pixel format an encoder is to store the frames."""
    own = alpha_format_of(footage.layout) if footage.alpha else pixel_format_of(footage.layout)
    try:
        known = [known.name for known in av.Codec(codec, "w").video_formats or []]
    except ValueError:
        return "yuv420p"  # the writer tells that there is no such encoder
    if footage.alpha:
        formats = _ALPHA_FORMATS[codec]
        return own if own in formats else formats[0]
    # What every player shows, even where the input has finer chroma, as many cameras have.
    if not known or "yuv420p" in known:
        return "yuv420p"
    return own if own in known else known[0]
