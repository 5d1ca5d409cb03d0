"""Inputs that are no videos, what a video says about itself, which way up it is shown."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.footage import (
    cut,
    numbered_frames,
    rows_of,
    write_sound,
    write_video,
)
from unveil.errors import MissingInput, UnreadableVideo, UnveilError
from unveil.video.container import VideoProperties
from unveil.video.reader import open_video


def refusal(path: Path | str, kind: type[UnveilError] = UnreadableVideo) -> str:
    with pytest.raises(kind) as caught, open_video(path):
        pass
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    shown = path.name if isinstance(path, Path) and kind is UnreadableVideo else path
    assert message.startswith(f"{shown}: ")
    return message


def properties_of(path: Path) -> VideoProperties:
    with open_video(path) as video:
        return video.properties


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "gone.mp4", MissingInput)


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "the file is empty" in refusal(tmp_path / "empty.mp4")


def test_text_named_mp4(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("This is no video.\n" * 500)
    assert "not a video" in refusal(path)


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "noise.mkv"
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    refusal(path)


def test_sound_alone(tmp_path: Path) -> None:
    assert "sound but no video" in refusal(write_sound(tmp_path / "song.m4a"))


def test_sound_with_a_cover_picture(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.m4a", cover=True)
    with av.open(path) as container:
        assert len(container.streams.video) == 1, "the cover passes for a video stream"
    assert "sound but no video" in refusal(path)


def test_an_mp4_cut_off_before_its_index(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", numbered_frames(60))
    assert "index (moov) is missing" in refusal(cut(whole, tmp_path / "cut.mp4", 0.6))
    assert "index (moov) is missing" in refusal(cut(whole, tmp_path / "stub.mp4", 0.02))


def test_an_mp4_that_ends_within_its_index(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", numbered_frames(60))
    refusal(cut(whole, tmp_path / "cut.mp4", 0.97))


@pytest.mark.parametrize("size", [8, 16, 1 << 20])
def test_a_crafted_chain_of_atoms_is_not_followed_to_its_end(tmp_path: Path, size: int) -> None:
    """It would take hours: files may be large, and have an atom in every eight bytes."""
    path = tmp_path / "chain.mp4"
    atom = size.to_bytes(4, "big") + b"free"
    path.write_bytes(atom if size > 16 else (atom + bytes(size - 8)) * 5000)
    with path.open("r+b") as file:
        file.truncate(1 << 33)
        for number in range(1, 2000 if size > 16 else 0):
            file.seek(number * size)
            file.write(atom)
    reads = 0

    class Counted(io.FileIO):
        def read(self, *arguments: Any) -> Any:
            nonlocal reads
            reads += 1
            return super().read(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode: Counted(self, "r"))
        message = refusal(path)
    assert "not a video" in message
    assert 0 < reads <= 1000


def test_an_index_without_any_data(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", numbered_frames(60), container_options={"movflags": "faststart"}
    )
    size = whole.read_bytes().index(b"mdat") + 4
    bare = tmp_path / "bare.mp4"
    bare.write_bytes(whole.read_bytes()[:size])
    refusal(bare)


def test_an_unknown_codec(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert "cannot decode" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_no_permission(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(3))
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_no_permission_by_the_system_s_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(3))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "no permission" in refusal(path)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9/call.mp4", "check the address"),
        ("nosuchscheme://host/call.mp4", "unknown to FFmpeg"),
        ("lavfi:nosuchfilter", "the device does not open"),
        ("decklink:nothing", "the device does not open"),
    ],
)
def test_addresses_and_devices_that_do_not_open(address: str, message: str) -> None:
    assert message in refusal(address)


def test_a_file_name_is_never_an_address_or_a_pattern(tmp_path: Path) -> None:
    for name in ("12:30.mp4", "udp:call.mp4", "-", "call%03d.mp4", "a b'\"c.mp4"):
        path = write_video(tmp_path / name, numbered_frames(2), container="mp4")
        assert properties_of(path).name == name


def test_a_title_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    with av.open(path, "w") as container:
        container.metadata["title"] = "QQQQQQQQ"
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in numbered_frames(2):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"QQQQQQQQ", b"\xff\xfe\xe9\xe8\xff\xff\xff\xff"))
    assert properties_of(path).width == 64


def test_properties_of_a_call(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.mp4", numbered_frames(45))
    properties = properties_of(path)
    assert properties == VideoProperties(
        name="call.mp4",
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        width=64,
        height=48,
        pixel_format="yuv420p",
        matrix="bt601",
        full_range=False,
        frame_rate=30.0,
        duration_seconds=1.5,
        declared_frames=45,
        rotation_degrees=0,
        mirrored=False,
    )
    assert json.loads(json.dumps(properties.as_dict()))["duration_seconds"] == 1.5


def test_matroska_tells_the_duration_but_not_the_frames(tmp_path: Path) -> None:
    properties = properties_of(write_video(tmp_path / "call.mkv", numbered_frames(45)))
    assert properties.duration_seconds == pytest.approx(1.5)
    assert properties.declared_frames is None


def test_an_elementary_stream_tells_little(tmp_path: Path) -> None:
    path = write_video(tmp_path / "call.h264", numbered_frames(45), container="h264")
    properties = properties_of(path)
    assert (properties.duration_seconds, properties.declared_frames) == (None, None)


@pytest.mark.parametrize(
    ("tag", "matrix"), [("bt709", "bt709"), ("smpte170m", "bt601"), ("bt2020nc", "bt2020")]
)
def test_the_matrix_survives_the_codec(tmp_path: Path, tag: str, matrix: str) -> None:
    options = {"x264-params": f"colormatrix={tag}", "qp": "0"}
    path = write_video(tmp_path / "call.mp4", numbered_frames(2), options=options)
    assert properties_of(path).matrix == matrix


def test_an_unknown_matrix_is_reported(tmp_path: Path) -> None:
    options = {"x264-params": "colormatrix=smpte2085", "qp": "0"}
    path = write_video(tmp_path / "call.mp4", numbered_frames(2), options=options)
    with open_video(path) as video:
        assert video.properties.matrix == "bt601"
        assert video.tally.warnings == ["colour matrix 11 is unknown, read as bt601"]


def test_the_full_range_survives_the_codec(tmp_path: Path) -> None:
    options = {"x264-params": "fullrange=on", "qp": "0"}
    path = write_video(tmp_path / "call.mp4", numbered_frames(2), options=options)
    assert properties_of(path).full_range


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.bmp", "still.webp"])
def test_a_still_is_a_video_of_one_frame(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (16, 8), (90, 90, 90)).save(tmp_path / name)
    with open_video(tmp_path / name) as video:
        (chunk,) = [len(chunk) for chunk in video.chunks()]
    assert chunk == 1
    assert (video.properties.width, video.properties.height) == (16, 8)


def test_a_palette_gif(tmp_path: Path) -> None:
    stills = [Image.new("P", (7, 5), colour) for colour in range(4)]
    for still in stills:
        still.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, 90, 90, 90])
    stills[0].save(
        tmp_path / "call.gif", save_all=True, append_images=stills[1:], duration=[100, 200, 50, 50]
    )
    with open_video(tmp_path / "call.gif") as video:
        (chunk,) = [
            (np.array([plane[:, 0, 0] for plane in chunk.planes]).T, chunk.pts_seconds.copy())
            for chunk in video.chunks()
        ]
    greens_blues_reds, seconds = chunk
    assert greens_blues_reds.tolist() == [[10, 10, 200], [200, 10, 10], [10, 200, 10], [90] * 3]
    assert seconds.tolist() == pytest.approx([0, 0.1, 0.3, 0.35])


def test_the_first_real_video_stream_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("ffv1", rate=30) for _ in range(2)]
        for stream, width in zip(streams, (32, 32), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 16, "yuv420p"
        for first, second in zip(
            numbered_frames(5, 16, 32), numbered_frames(5, 16, 32, first=100), strict=True
        ):
            container.mux(streams[0].encode(first))
            container.mux(streams[1].encode(second))
        for stream in streams:
            container.mux(stream.encode(None))
    with open_video(path) as video:
        assert sum(len(chunk) for chunk in video.chunks()) == 5


def marked_frame() -> av.VideoFrame:
    """Make 32 x 16 pixels of which the top left quarter is bright and the top right grey."""
    frame = av.VideoFrame(32, 16, "yuv420p")
    for plane in frame.planes:
        rows_of(plane)[:] = 128
    luma = rows_of(frame.planes[0])
    luma[:] = 20
    luma[:8, :16] = 220
    luma[:8, 16:] = 120
    return frame


@pytest.mark.parametrize("vflip", [False, True])
@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_all_eight_orientations(tmp_path: Path, degrees: int, hflip: bool, vflip: bool) -> None:
    """PyAV writes: turn counterclockwise by the degrees, then flip."""
    path = write_video(
        tmp_path / "call.mp4", [marked_frame(), marked_frame()], rotation=(degrees, hflip, vflip)
    )
    with open_video(path) as video:
        (luma,) = [chunk.planes[0][0].copy() for chunk in video.chunks()]
    wanted = np.rot90(luma, degrees // 90)
    wanted = wanted[:, ::-1] if hflip else wanted
    wanted = wanted[::-1] if vflip else wanted
    assert (video.properties.apply_display_matrix(luma) == wanted).all()
    assert video.properties.mirrored == (hflip != vflip)
    assert (video.properties.width, video.properties.height) == (32, 16)


def test_a_phone_held_upright(tmp_path: Path) -> None:
    """A portrait recording's matrix, as phones write it: to be turned clockwise by 90."""
    path = write_video(tmp_path / "call.mp4", numbered_frames(2), rotation=(0,))
    one = 1 << 16
    matrices = [[one, 0, 0, 0, one], [0, one, 0, -one, 0]]
    plain, portrait = (np.array(values, ">i4").tobytes() for values in matrices)
    data = path.read_bytes()
    track = data.index(b"tkhd")
    position = data.index(plain, track)
    path.write_bytes(data[:position] + portrait + data[position + len(portrait) :])
    properties = properties_of(path)
    assert (properties.rotation_degrees, properties.mirrored) == (90, False)
    # Turned clockwise, the top left of what was decoded comes to the top right.
    picture = np.arange(6).reshape(2, 3)
    assert properties.apply_display_matrix(picture).tolist() == [[3, 0], [4, 1], [5, 2]]
