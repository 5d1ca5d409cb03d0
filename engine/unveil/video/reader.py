"""Reading of a video in chunks of native 8-bit planes, decoded in a background thread."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import av
import av.error
from av.video.stream import VideoStream

from unveil.errors import Interrupted, NoFrames, UnreadableVideo, check_positive
from unveil.interruption import StopRequested, check, never, take, until_stopped
from unveil.video.audio import SoundTrack
from unveil.video.chunk import Chunk, Layout
from unveil.video.chunk_buffer import ChunkBuffer
from unveil.video.container import (
    choices_made,
    declared_length,
    describe,
    nominal_rate,
    one_line,
    open_container,
)
from unveil.video.deinterlace import deinterlaced
from unveil.video.packets import FrameReader
from unveil.video.pixel_format import ColourTags, PlaneReader
from unveil.video.selection import Segment, SelectedFrames, Selection, check_stream
from unveil.video.source import Source, source_of
from unveil.video.tally import DecodeTally, Length, reading_error

BUFFERS: Final = 3  # those that the consumer holds, and the others ahead of them
_LIVE_JOIN_SECONDS: Final = 0.5  # for a thread whose read may never return


def open_video(
    source: Source | str | os.PathLike[str],
    *,
    threads: int | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    stride: int = 1,
    stream: int | None = None,
    chunk_frames: int = 16,
    chunks_held: int = 1,
    with_sound: bool = False,
    deinterlace: bool = False,
    segment: Segment | None = None,
    stop: StopRequested = never,
) -> Video:
    """Open a video and decode its first frame; use the result as a context manager.

    Parameters
    ----------
    source
        A `Source`, or its name: a file, a device, a URL or "-".
    threads
        Threads of the decoder; None takes one per core.
    start_seconds, end_seconds
        Frames with start <= time < end are delivered. Times count from the stream's first frame,
        whatever its time stamp.
    stride
        Every `stride`-th of these frames is delivered, beginning with the first.
    stream
        Number of the video stream, from 0; cover pictures do not count. None takes the default
        one, with a warning in the tally if there are several.
    chunk_frames
        Frames per chunk, at most; very large frames make smaller chunks.
    chunks_held
        How many of the last chunks stay valid, 1 or 2.
    with_sound
        Collect the audio packets in `Video.sound`.
    deinterlace
        Whether interlaced frames are deinterlaced.
    segment
        Deliver only the frames of this segment, without an error where there are none.
    stop
        Returns whether to stop, see `unveil.interruption`; asked between two chunks and while the
        source delivers nothing.

    Raises
    ------
    Interrupted
        `stop` asked for it before the first frame was decoded.
    MissingInput
        There is no such input.
    UnreadableVideo
        No frame can be decoded.
    InvalidParameter
        A number is out of range.
    """
    if threads is not None:
        check_positive("threads", threads)
    check_positive("chunk_frames", chunk_frames)
    check_stream(stream)
    selection = Selection.between(start_seconds, end_seconds, stride)
    found = source if isinstance(source, Source) else source_of(source)
    video = partial(
        Video,
        found,
        selection,
        threads,
        chunk_frames,
        chunks_held=chunks_held,
        stream=stream,
        with_sound=with_sound,
        deinterlace=deinterlace,
        segment=segment,
        stop=stop,
    )
    check(stop)
    # A camera or a pipe may never deliver its first frame.
    return video() if found.can_rewind else until_stopped(video, stop, discard=Video.close)


class Video:
    """An opened video, made by `open_video`; its `chunks()` can be read once.

    Attributes
    ----------
    properties
        Properties of the container and the first frame.
    tally
        Counts of the decoding so far.
    expected_frames
        Number of frames that `chunks()` should deliver in total, None if unknown.
    sound
        Audio packets, in the container's time; without streams unless they were requested.
        Neither the streams nor the packets may be used after the video is closed.
    time_base
        Unit of the container's time stamps in seconds, None if it has none.
    pixel_aspect
        Width of a pixel divided by its height, None if the container does not declare it.
    nominal_rate
        Frames per second at which most frames follow each other, None if unknown.
    shown_until_seconds
        When the last frame of `chunks()` stops being shown, NaN if unknown; final after it.
    tags
        Colour tags of the planes of the first frame as `chunks()` delivers them.
    """

    def __init__(
        self,
        source: Source,
        selection: Selection,
        threads: int | None,
        chunk_frames: int,
        *,
        chunks_held: int = 1,
        stream: int | None = None,
        with_sound: bool = False,
        deinterlace: bool = False,
        segment: Segment | None = None,
        stop: StopRequested = never,
    ) -> None:
        self._source = source
        self._stop_requested = stop
        self._deinterlaces = deinterlace
        self._selection = selection
        self._segment = segment
        self._chunk_frames = chunk_frames
        self._chunks_held = chunks_held
        self._stop, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._free: SimpleQueue[ChunkBuffer | None] = SimpleQueue()
        self._ready: SimpleQueue[ChunkBuffer | _Finished] = SimpleQueue()
        self._opened: tuple[FrameReader, SelectedFrames] | None = None
        self._filling: ChunkBuffer | None = None
        self._waited_seconds = 0.0
        self.tally = DecodeTally()
        self.shown_until_seconds = math.nan

        started = time.perf_counter()
        self._container, video_stream = open_container(source, threads, stream)
        self.sound = SoundTrack.of(self._container) if with_sound else SoundTrack(())
        self.time_base = video_stream.time_base
        self.pixel_aspect = video_stream.sample_aspect_ratio
        try:
            self._open(video_stream)
            for note in choices_made(source, self._container, video_stream, stream):
                self.tally.warn(note)
        except BaseException:
            self.close()
            raise
        self.tally.decode_seconds = time.perf_counter() - started

    def _open(self, stream: VideoStream) -> None:
        """Decode the first frame, which shows whether and how the video can be read."""
        sound = self.sound if self.sound.streams else None
        reader = FrameReader(self._container, stream, self._stop, sound)
        self._origin = reader.seconds_of(stream.start_time)
        if self._selection.start_seconds and not math.isnan(self._origin):
            reader.counted_from_seconds = self._origin + self._selection.start_seconds
        if self._segment is not None:
            self._segment.limit_damage(reader, self._origin)
        frames = reader.frames()
        first = next(frames, None)
        if first is None:
            is_webp = self._container.format.name == "webp_pipe"
            advice = "give an animated WebP as a file" if is_webp else "copy or record it again"
            raise UnreadableVideo(
                f"{self._source.name}: no frame can be decoded ({reader.why_no_frame}); {advice}"
            )
        if math.isnan(self._origin):
            self._origin = reader.seconds_of(first.pts)
        self.properties = describe(self._source, self._container, stream, first)
        self.nominal_rate = nominal_rate(stream, self.properties.frame_rate)
        self._lasts_seconds = self.properties.duration_seconds
        self._length_is_own = declared_length(self._container, stream)[1]
        self.tally.note_colours(self._source.name, first)
        self.tags = ColourTags.of(first)
        selected = SelectedFrames(
            reader,
            self._selection,
            frames=chain((first,), frames),
            origin_seconds=self._origin,
            frame_rate=self.properties.frame_rate,
            can_seek=self._source.can_rewind and reader.can_seek,
            segment=self._segment,
        )
        self._opened = reader, selected

    def __enter__(self) -> Video:
        """Return the video, which is open already."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the video."""
        self.close()

    @property
    def live(self) -> bool:
        """Whether the source, such as a camera, has no known end."""
        return self._source.live

    @property
    def origin_seconds(self) -> float:
        """Time stamp of the first frame in the container's time; NaN if unknown."""
        return self._origin

    @property
    def expected_frames(self) -> int | None:
        """Number of frames that `chunks()` should deliver in total, None if unknown."""
        return self._selection.expected_frames(self.properties)

    def chunks(self) -> Iterator[Chunk]:
        """Start the decoding thread and iterate over its chunks; can be called once.

        A chunk's times are seconds since the stream's first frame. Its arrays are valid until the
        next chunk is requested; with two `chunks_held`, until the one after that is. A chunk has
        one layout: if the video changes its size, pixel format or colour, a new chunk begins.

        Raises
        ------
        Interrupted
            `stop` asked for it. What was decoded of a source that may be endless was delivered
            before that.
        NoFrames
            The selected time has no frame.
        UnreadableVideo
            It has frames, but none can be decoded.
        FrameTooLarge
            There is not enough memory for frames of this size.
        RuntimeError
            It was called before, or the video is closed.
        """
        if self._opened is None:
            raise RuntimeError("chunks() delivers the frames once: open the video again")
        for _ in range(BUFFERS):
            self._free.put(None)
        # Only the thread holds the decoder, so it is not freed while the thread uses it.
        self._thread = threading.Thread(
            target=self._run, args=self._opened, name="unveil-decode", daemon=True
        )
        self._opened = None
        self._thread.start()
        return self._consume()

    def close(self) -> None:
        """Stop decoding and free all resources; can be called repeatedly."""
        if self._stop.is_set():
            return
        self._stop.set()
        self.sound.close()
        if self._thread is None:
            self._opened = None
            self._container.close()
            return
        self._free.put(None)  # the thread may be waiting for a buffer
        # A read from a device or a pipe cannot be interrupted; such a thread ends by itself.
        # Not `Thread.join`: after Ctrl-C in it, Python 3.11 takes the thread for ended.
        if self._ended.wait(None if self._source.can_rewind else _LIVE_JOIN_SECONDS):
            self._thread.join()
            self._container.close()
            self._free = SimpleQueue()  # the buffers in it are large

    def _consume(self) -> Iterator[Chunk]:
        held: deque[ChunkBuffer] = deque()
        while True:
            if len(held) == self._chunks_held:
                self._free.put(held.popleft())
            try:
                item = take(self._ready, self._stop_requested)
            except Interrupted:
                if self._source.may_be_endless:
                    yield from self._decoded_already()
                raise
            if isinstance(item, _Finished):
                if item.error is not None:
                    raise item.error
                if not (self._segment or self.tally.frames_read or self._stop.is_set()):
                    raise self.nothing_read()
                return
            if self._stop.is_set():
                return
            held.append(item)
            del item  # the thread may replace it by one of another layout
            yield held[-1].as_chunk()

    def _decoded_already(self) -> Iterator[Chunk]:
        """Yield what was decoded and not delivered."""
        with suppress(Empty):
            while isinstance(item := self._ready.get_nowait(), ChunkBuffer):
                yield item.as_chunk()
        # The thread may hold this buffer and wait for data that never comes. It counts a frame
        # when it is complete, so the chunk has nothing of what it still writes.
        if (begun := self._filling) is not None and begun.count:
            yield begun.as_chunk()

    def _run(self, reader: FrameReader, selected: SelectedFrames) -> None:
        """Decode into buffers until the end; this is the body of the thread."""
        started = time.perf_counter()
        spent_before = self.tally.decode_seconds
        error: BaseException | None = None
        try:
            self._fill_buffers(reader, selected)
            if selected.reached_end:
                reader.read_sound(self._origin + self._selection.end_seconds)
            self._note_end(reader, selected)
        except BaseException as failure:
            error = reading_error(self._source.name, failure)
        finally:
            del reader, selected
            # Audio packets, and headers copied from their streams, need the open container.
            if self._stop.is_set() or not self.sound.streams:
                self._container.close()
            spent = time.perf_counter() - started - self._waited_seconds
            self.tally.decode_seconds = spent_before + spent
            self._ready.put(_Finished(error))
            self._ended.set()

    def _fill_buffers(self, reader: FrameReader, selected: SelectedFrames) -> None:
        plane_reader = PlaneReader()
        buffer: ChunkBuffer | None = None
        frames: Iterable[tuple[av.VideoFrame, float]] = selected
        if self._deinterlaces:
            frames = deinterlaced(
                frames, lambda: self.tally.warn("interlaced frames: deinterlaced")
            )
        for frame, seconds in frames:
            self.tally.note_colours(self._source.name, frame)
            layout = plane_reader.layout_of(frame)
            if buffer is not None and buffer.layout != layout:
                self._hand_over(buffer)
                buffer = None
            if buffer is None:
                buffer = self._take_buffer(layout)
            if self._stop.is_set():
                return
            try:
                plane_reader.copy_into(frame, buffer.planes, buffer.count)
            except av.error.FFmpegError as error:
                reader.n_damaged += 1
                self.tally.warn(
                    f"pixel format {frame.format.name}: {one_line(error)}; frames left out"
                )
                continue
            finally:
                self.tally.frames_damaged = reader.n_damaged
                self.tally.frames_skipped = selected.n_skipped
            buffer.pts_seconds[buffer.count] = seconds
            buffer.count += 1
            self._filling = buffer
            self.tally.frames_read += 1
            if buffer.count == buffer.capacity:
                self._hand_over(buffer)
                buffer = None
        if buffer is not None:
            self._hand_over(buffer)

    def _hand_over(self, buffer: ChunkBuffer) -> None:
        self._filling = None
        (self._ready if buffer.count else self._free).put(buffer)

    def _take_buffer(self, layout: Layout) -> ChunkBuffer:
        waiting = time.perf_counter()
        buffer = self._free.get()
        self._waited_seconds += time.perf_counter() - waiting
        if buffer is None or buffer.layout != layout:
            del buffer  # free it before the next is allocated: large frames fill the memory
            return ChunkBuffer(layout, self._chunk_frames)
        buffer.count = 0
        return buffer

    @property
    def _reads_start(self) -> bool:
        """Whether all packets from the stream's beginning on are read."""
        return not (self._selection.start_seconds or (self._segment and self._segment.keyframes))

    def nothing_read(self) -> NoFrames | UnreadableVideo:
        """Return the error of a recording without a selected frame."""
        times = self._selection.start_seconds, self._selection.end_seconds
        return self.tally.nothing_read(self._source.name, *times, self._lasts_seconds)

    def _note_end(self, reader: FrameReader, selected: SelectedFrames) -> None:
        """Compare what was read with what the container declares."""
        self.tally.frames_damaged = reader.n_damaged
        self.tally.frames_skipped = selected.n_skipped
        self.shown_until_seconds = selected.shown_until_seconds
        if self._stop.is_set() or selected.reached_end:
            return
        declared = self.properties.duration_seconds, self._length_is_own
        length = Length(*declared, self.properties.declared_frames)
        self.tally.note_end(reader, length, self._origin, from_start=self._reads_start)
        gap = self._source.sequence.gap if self._source.sequence else None
        if gap is not None:
            self.tally.truncated, self.tally.reason = True, gap
        reached = reader.reached_seconds - self._origin
        if reader.clock.jumps:
            self._lasts_seconds = reached
        elif not self.tally.truncated:
            self.shown_until_seconds = min(
                length.end_of_last_frame(self.shown_until_seconds, reached),
                self._selection.end_seconds,
            )


class _Finished(NamedTuple):
    """The thread's last item: it ended, with `error` if it failed."""

    error: BaseException | None
