"""Mutated containers: what can be read is read, all else is one of our errors, and none hangs.

Files are decoded in a process of their own, which a fault in native code would end.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.footage import textured_frames, write_video

HEIGHT, WIDTH, N_FRAMES = 32, 48, 12

PATIENCE_SECONDS = 20
"""After this a file of a few kilobytes is taken to hang the decoder."""

FORMATS = {
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mpeg4", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "webm": ("libvpx", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "flv": ("flv", "yuv420p"),
    "ts": ("mpeg2video", "yuv420p"),
    "y4m": ("rawvideo", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "apng": ("apng", "rgb24"),
    "h264": ("libx264", "yuv420p"),
}
"""Codec and pixel format by the container's extension."""

PROGRAM = """
import sys

from unveil.video.reader import open_video
from unveil.errors import UnveilError

for line in sys.stdin:
    try:
        with open_video(line.rstrip("\\n"), threads=1) as video:
            outcome = f"frames {sum(len(chunk) for chunk in video.chunks())}"
    except UnveilError as error:
        outcome = f"refused in {len(str(error).splitlines())} line"
    except BaseException as error:
        outcome = f"escaped {error!r}"
    print(outcome.replace("\\n", " "), flush=True)
"""

MUTATIONS = settings(max_examples=25, derandomize=True, database=None)

NUMBERS = [0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
"""Lengths and counts at which arithmetic on them goes wrong."""


class Decoder:
    """A process that decodes files, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def decode(self, path: Path) -> str:
        """Give what became of a file; the process is gone if it hung or crashed."""
        requests, answers = self._pipes
        patience = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        patience.start()
        try:
            print(path, file=requests, flush=True)
            answer = answers.readline()
        finally:
            patience.cancel()
        return answer.rstrip("\n") or f"hung, or crashed: exit code {self._process.wait()}"

    @property
    def is_running(self) -> bool:
        """Whether it can decode another file."""
        return self._process.poll() is None

    @property
    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in self._pipes:
            pipe.close()


@pytest.fixture(scope="module")
def decoders() -> Iterator[list[Decoder]]:
    """Hold the decoder in use; tests put another one in the place of one that is gone."""
    held = [Decoder()]
    yield held
    held[0].close()


def decoded(path: Path, decoders: list[Decoder]) -> str:
    if not decoders[0].is_running:
        decoders[0].close()
        decoders[0] = Decoder()
    return decoders[0].decode(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


def write_whole(folder: Path, kind: str) -> Path:
    codec, pixel_format = FORMATS[kind]
    frames = (frame.reformat(format=pixel_format) for frame in textured_frames(12, HEIGHT, WIDTH))
    return write_video(folder / f"whole.{kind}", frames, codec=codec, rate=25)


@dataclass(frozen=True)
class Mutation:
    """A change of a file at a place, a fraction of its length or bytes from an end."""

    kind: str
    place: float
    near: str
    length: int
    number: int

    def applied(self, data: bytes) -> bytes:
        """Change the bytes of a file."""
        at = int(self.place * len(data))
        if self.near == "start":
            at = int(self.place * min(600, len(data)))
        elif self.near == "end":
            at = len(data) - 1 - int(self.place * min(600, len(data)))
        before, there, after = data[:at], data[at : at + self.length], data[at + self.length :]
        match self.kind:
            case "byte":
                return before + bytes([self.number & 255]) + data[at + 1 :]
            case "number":
                big = struct.pack(">I", self.number)
                return before + (big if self.length % 2 else big[::-1]) + data[at + 4 :]
            case "cut":
                return before
            case "remove":
                return before + after
            case "repeat":
                return before + there + there + after
            case _:
                return before + bytes(len(there)) + after


def mutations() -> st.SearchStrategy[list[Mutation]]:
    return st.lists(
        st.builds(
            Mutation,
            kind=st.sampled_from(["byte", "number", "number", "cut", "remove", "repeat", "zero"]),
            place=st.floats(0, 1, exclude_max=True),
            near=st.sampled_from(["start", "end", "anywhere"]),
            length=st.integers(1, 64),
            number=st.one_of(st.sampled_from(NUMBERS), st.integers(0, 2**32 - 1)),
        ),
        min_size=1,
        max_size=4,
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_file_is_decoded(folder: Path, decoders: list[Decoder], kind: str) -> None:
    assert decoded(write_whole(folder, kind), decoders) == f"frames {N_FRAMES}"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_mutated_file_is_decoded_or_refused(
    folder: Path, decoders: list[Decoder], kind: str
) -> None:
    whole = write_whole(folder, kind).read_bytes()
    path = folder / f"mutated.{kind}"

    @MUTATIONS
    @given(mutations())
    def check(changes: list[Mutation]) -> None:
        data = whole
        for change in changes:
            data = change.applied(data)
        path.write_bytes(data)
        outcome = decoded(path, decoders)
        assert outcome == "refused in 1 line" or outcome.startswith("frames "), outcome

    check()
