"""frames.js: camera frames of every format as messages, against conversions by NumPy and FFmpeg."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.live.page.browsing import LivePage
from tests.live.page.serving import RunningServer
from unveil.live.messages import FrameMessage

U8 = npt.NDArray[np.uint8]

BT601 = {
    "matrix": "smpte170m",
    "primaries": "smpte170m",
    "transfer": "smpte170m",
    "fullRange": False,
}

PACK = """async ({base64, init, limits}) => {
  const { FramePacker } = await import("/page/frames.js");
  const limit = limits ?? {max_width: 1920, max_height: 1080};
  const bytes = Uint8Array.fromBase64(base64);
  const frame = new VideoFrame(bytes, {timestamp: 1234.5, ...init});
  const { message, matrix, colorSpace } = await new FramePacker(limit).pack(frame, 77);
  frame.close();
  return { message: message.toBase64(), matrix, colorSpace };
}"""


@pytest.fixture
def modules(cleared: LivePage, server: RunningServer) -> LivePage:
    """Open a page of the server's origin that has no script, and no camera."""
    cleared.page.goto(f"{server.url}health")
    return cleared


@pytest.fixture
def pack(modules: LivePage) -> Callable[..., Any]:
    def packed(planes: list[U8], width: int, height: int, format_: str, **more: Any) -> Any:
        init = {"format": format_, "codedWidth": width, "codedHeight": height}
        init |= more.pop("init", {})
        data = base64.b64encode(np.concatenate([plane.ravel() for plane in planes])).decode()
        return modules.page.evaluate(PACK, {"base64": data, "init": init, **more})

    return packed


def planes_of(answer: Any) -> FrameMessage:
    """Read a message as the server does, which checks its header and its length."""
    return FrameMessage.parse(base64.b64decode(answer["message"]))


def noise(*shape: int) -> U8:
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


def smooth(height: int, width: int) -> U8:
    """Draw an RGB picture whose colours change slowly: chroma may be sampled anywhere."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + x, 200 - y, 60 + (x + y) // 2], axis=-1).astype(np.uint8)


def converted(picture: U8, matrix: str) -> tuple[U8, U8, U8]:
    """Convert RGB to the planes of I420 by FFmpeg, limited range."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace="ITU601" if matrix == "bt601" else "ITU709",
        dst_color_range="MPEG",
    )
    first, second, third = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    )
    return first, second, third


def test_i420_is_copied(pack: Callable[..., Any]) -> None:
    planes = [noise(64, 96), noise(32, 48), noise(32, 48)]
    answer = pack(planes, 96, 64, "I420")
    frame = planes_of(answer)
    assert (frame.header.sequence, frame.header.timestamp_us) == (77, 1234)
    for packed, plane in zip(frame.planes, planes, strict=True):
        assert (packed == plane).all()


def test_nv12_is_taken_apart(pack: Callable[..., Any]) -> None:
    luma, cb, cr = noise(64, 96), noise(32, 48), noise(32, 48)[::-1]
    answer = pack([luma, np.stack([cb, cr], axis=-1)], 96, 64, "NV12")
    for packed, plane in zip(planes_of(answer).planes, (luma, cb, cr), strict=True):
        assert (packed == plane).all()


@pytest.mark.parametrize("visible", [(97, 65), (96, 65), (97, 64)])
def test_odd_sizes_are_cropped(pack: Callable[..., Any], visible: tuple[int, int]) -> None:
    planes = [noise(66, 98), noise(33, 49), noise(33, 49)]
    rect = {"x": 0, "y": 0, "width": visible[0], "height": visible[1]}
    frame = planes_of(pack(planes, 98, 66, "I420", init={"visibleRect": rect}))
    assert frame.planes[0].shape == (64, 96)
    for packed, plane in zip(frame.planes, planes, strict=True):
        assert (packed == plane[: packed.shape[0], : packed.shape[1]]).all()


@pytest.mark.parametrize(("name", "order"), [("RGBA", (0, 1, 2)), ("BGRX", (2, 1, 0))])
@pytest.mark.parametrize(("size", "matrix"), [((64, 96), "bt601"), ((720, 64), "bt709")])
def test_rgb_is_converted(
    pack: Callable[..., Any],
    name: str,
    order: tuple[int, ...],
    size: tuple[int, int],
    matrix: str,
) -> None:
    picture = smooth(*size) % 240
    coded = np.dstack([picture[..., order], np.full(size, 255, np.uint8)])
    answer = pack([coded], size[1], size[0], name)
    assert answer["matrix"] == matrix
    for packed, plane in zip(planes_of(answer).planes, converted(picture, matrix), strict=True):
        difference = np.abs(packed.astype(int) - plane)
        # FFmpeg rounds in between; `% 240` makes some edges, where chroma is filtered otherwise.
        assert np.median(difference) <= 1
        assert np.quantile(difference, 0.95) <= 2


def test_full_range_becomes_limited(pack: Callable[..., Any]) -> None:
    luma = np.arange(64 * 96, dtype=np.uint8).reshape(64, 96)
    chroma = np.arange(32 * 48, dtype=np.uint8).reshape(32, 48)
    answer = pack(
        [luma, chroma, chroma], 96, 64, "I420", init={"colorSpace": BT601 | {"fullRange": True}}
    )
    assert answer["colorSpace"] == BT601
    packed = planes_of(answer).planes
    assert np.abs(packed[0] - (16 + luma * 219.0 / 255)).max() <= 0.51
    assert np.abs(packed[1] - (128 + (chroma - 128.0) * 224 / 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("matrix", "height", "named"),
    [("bt709", 64, "bt709"), ("smpte170m", 720, "bt601"), ("bt470bg", 64, "bt601")],
)
def test_the_matrix_is_the_frames(
    pack: Callable[..., Any], matrix: str, height: int, named: str
) -> None:
    planes = [noise(height, 64), noise(height // 2, 32), noise(height // 2, 32)]
    answer = pack(planes, 64, height, "I420", init={"colorSpace": {"matrix": matrix}})
    assert (answer["matrix"], answer["colorSpace"]["matrix"]) == (named, matrix)


def test_large_frames_are_scaled_into_the_limits(pack: Callable[..., Any]) -> None:
    picture = smooth(160, 120)
    planes = [*converted(picture, "bt601")]
    limits = {"max_width": 160, "max_height": 100}
    answer = pack(planes, 120, 160, "I420", init={"colorSpace": BT601}, limits=limits)
    scaled = planes_of(answer).planes[0]
    assert scaled.shape == (100, 74)
    rows, columns = (((np.arange(n) + 0.5) * 1.6).astype(int) for n in scaled.shape)
    assert np.abs(scaled.astype(int) - planes[0][rows][:, columns]).max() <= 4


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_are_turned_upright(pack: Callable[..., Any], rotation: int) -> None:
    picture = smooth(96, 128)
    init = {"rotation": rotation, "colorSpace": BT601}
    answer = pack([*converted(picture, "bt601")], 128, 96, "I420", init=init)
    upright = np.rot90(picture, -rotation // 90)
    packed = planes_of(answer).planes
    assert packed[0].shape == upright.shape[:2]
    for plane, wanted in zip(
        packed, converted(np.ascontiguousarray(upright), "bt601"), strict=True
    ):
        assert np.abs(plane.astype(int) - wanted).max() <= 4


def test_an_answer_of_another_length_is_refused(modules: LivePage) -> None:
    said = modules.page.evaluate("""async () => {
      const { unpack } = await import("/page/frames.js");
      const buffer = new ArrayBuffer(1000);
      new DataView(buffer).setUint16(4, 64, true);
      new DataView(buffer).setUint16(6, 64, true);
      try { unpack(buffer, {}); } catch (error) { return `${error.name} ${error.message}`; }
    }""")
    assert said == "RangeError a frame of 64x64 came with 1000 bytes"
