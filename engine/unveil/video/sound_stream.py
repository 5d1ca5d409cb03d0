"""Sound in a container that is written: copied where it can be, else decoded to PCM."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.stream import Disposition

from unveil.errors import InvalidParameter

if TYPE_CHECKING:
    from typing import Literal

    from av.audio.stream import AudioStream
    from av.container import OutputContainer

_ERRORS: Final = (av.error.FFmpegError, OSError, ValueError)

_ONLY: Final = {
    # No reader recognises any other kind. As stream types in ISO 13818-1, DVB and ATSC.
    "mpegts": frozenset({"mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "opus", "truehd"}),
    # For others, FFmpeg's muxer ends the process.
    "flv": frozenset({"aac", "mp3", "ac3", "eac3", "flac", "opus"}),
}
"""What formats hold, where it cannot be found out by trying."""

_PCM: Final = {
    "u8": "pcm_u8",
    "s16": "pcm_s16le",
    "s32": "pcm_s32le",
    "flt": "pcm_f32le",
    "dbl": "pcm_f64le",
}
"""PCM that holds a decoder's samples without loss, by their packed format."""

_PCM_FORMATS: Final = frozenset({"matroska", "mov", "avi", "nut"})
"""Formats in which players expect PCM."""

_ROLES: Final = (
    Disposition.default
    | Disposition.dub
    | Disposition.original
    | Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
)
"""What tells players which stream to choose."""

_PROBE_WIDTH, _PROBE_HEIGHT = 176, 144  # a size that every video encoder takes


class SoundStream(Protocol):
    """One stream of sound on its way into a container."""

    @property
    def note(self) -> str | None:
        """What a user should know of it, in one sentence."""

    def packets(self, packet: Packet[AudioStream] | None) -> Iterator[Packet[Any]]:
        """Turn a packet of the source into those to store; None: the end."""


class CopiedSound:
    """Sound that is stored as it is."""

    note = None

    def __init__(self, container: OutputContainer, source: AudioStream) -> None:
        self._stream = _labelled(container.add_stream_from_template(source), source)

    def packets(self, packet: Packet[AudioStream] | None) -> Iterator[Packet[Any]]:
        """Give the packet itself."""
        if packet is not None:
            packet.stream = self._stream
            yield packet


class DecodedSound:
    """Sound that is decoded and stored as PCM, with each packet's own time.

    PyAV refuses to copy what Matroska stores only as a kind of Windows: G.711, ADPCM, WMA, Speex.
    """

    def __init__(self, container: OutputContainer, source: AudioStream) -> None:
        self._context = source.codec_context
        stored = _pcm_of(source)
        self._stream: AudioStream = container.add_stream(
            cast("Literal['pcm_s16le']", stored),
            rate=source.codec_context.sample_rate,
            layout=source.codec_context.layout.name,
        )
        _labelled(self._stream, source)
        self.note = f"sound in {source.codec_context.name} is stored without loss as {stored}"

    def packets(self, packet: Packet[AudioStream] | None) -> Iterator[Packet[Any]]:
        """Decode the packet; one that cannot be decoded is left out."""
        with suppress(*_ERRORS):
            for frame in self._context.decode(packet):
                stored: Packet[Any] = Packet(_samples(frame))
                stored.stream = self._stream
                stored.pts = stored.dts = frame.pts
                if frame.time_base is not None:
                    stored.time_base = frame.time_base
                    stored.duration = round(frame.samples / frame.sample_rate / frame.time_base)
                yield stored


def add_sound_stream(container: OutputContainer, source: AudioStream, name: str) -> SoundStream:
    """Add a stream for the packets of `source`, with its language and its role.

    Parameters
    ----------
    container
        Its header is not written yet.
    source
        A stream of a container that is read, with a known codec.
    name
        Of the output, for the message.

    Raises
    ------
    InvalidParameter
        The container cannot hold it, so that players would find it.
    """
    form = container.format.name
    if can_hold(form, source):
        return CopiedSound(container, source)
    if form in _PCM_FORMATS and _pcm_of(source) in container.supported_codecs:
        return DecodedSound(container, source)
    raise InvalidParameter(
        f"{name}: {form} cannot hold sound in {source.codec_context.name}; take .mkv, which holds "
        "every kind, or leave the sound out"
    )


def can_hold(form: str, source: AudioStream) -> bool:
    """Whether a stream can be copied into a container of this format, and is found by a reader.

    It is tried, in memory: FFmpeg's lists of codecs name too few for some formats and too many
    for others.
    """
    codec = source.codec_context.codec.canonical_name
    if form in _ONLY:
        return codec in _ONLY[form]
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=form) as container:
            listed = {codec, source.codec_context.name} & container.supported_codecs
            picture = _probe_picture(container)
            container.add_stream_from_template(source)
            container.start_encoding()
            if listed:
                return True  # some cannot be completed without a packet
            if picture is not None:
                frame = av.VideoFrame(_PROBE_WIDTH, _PROBE_HEIGHT, "yuv420p")
                container.mux([*picture.encode(frame), *picture.encode(None)])
        file.seek(0)
        with av.open(file) as written:
            return any(
                # PyAV sets no codec context if FFmpeg does not know the codec.
                stream.codec_context is not None  # type: ignore[redundant-expr]
                and stream.codec_context.codec.canonical_name == codec
                for stream in written.streams.audio
            )
    except _ERRORS:
        return False


def _probe_picture(container: OutputContainer) -> Any:
    """Add a small video stream, which some formats want; None where there is no encoder."""
    try:
        picture: Any = container.add_stream(
            cast("Literal['mpeg4']", container.default_video_codec), rate=25
        )
    except _ERRORS:
        return None
    picture.width, picture.height, picture.pix_fmt = _PROBE_WIDTH, _PROBE_HEIGHT, "yuv420p"
    return picture


def _labelled(stream: AudioStream, source: AudioStream) -> AudioStream:
    if source.language not in (None, "", "und"):
        stream.metadata["language"] = str(source.language)
    stream.disposition = Disposition(source.disposition & _ROLES)
    return stream


def _pcm_of(source: AudioStream) -> str:
    return _PCM.get(source.codec_context.format.packed.name, "")


def _samples(frame: AudioFrame) -> bytes:
    """Return a frame's samples as PCM stores them: channel by channel, little-endian."""
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        samples = samples.T
    return np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder("<"))).tobytes()
