"""Agreement of the person masks with those of OpenCV, their cost, and a picture of them.

`python -m bench.masks` composites an astronaut on a drawn room and segments her with each model,
with `unveil.person` and with OpenCV. OpenCV resamples the picture by other means and runs the
networks in its DNN module (except BlazePose's detector, whose sparse weights it cannot read). The
runner measures the agreement of the masks and the cost of a mask of a 1080p frame, and writes
`bench/results/masks.json`, the table in docs/benchmarks.md and `docs/models.png`. `--goldens` also
writes the reference files of the tests: the astronaut, cut out of scikit-image's photo (NASA,
public domain) by the model "heavy", and OpenCV's masks of her.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from bench import report
from bench.machine import describe
from unveil.files import replacing, write_png
from unveil.parallel import available_cores
from unveil.person import MODELS, ModelName, Segmenter, sampling
from unveil.person.models import DETECTOR, WEIGHTS
from unveil.person.region import inverse
from unveil.simulation import scenes
from unveil.video.chunk import Layout, Planes
from unveil.video.pixel_format import PlaneReader

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

ROOT: Final = Path(__file__).parent.parent
ASTRONAUT: Final = ROOT / "tests" / "data" / "astronaut.png"
GOLDENS: Final = ROOT / "tests" / "data" / "astronaut_masks.png"
PICTURE: Final = ROOT / "docs" / "models.png"
SIDE: Final = 256
"""Side of the astronaut's picture in the tests, in pixels: half of scikit-image's."""

SCENE: Final = (360, 640)
PLACE: Final = (104, 340)
"""Upper left corner of the astronaut in the scene, (y, x), as in the tests of `unveil.person`."""
SHOWN: Final = slice(330, 580)
"""Columns of the scene that the picture shows."""

TINT: Final = np.array([40, 120, 255.0])
ROUNDS: Final = 200


def main() -> None:
    """Compare the masks, measure their cost and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goldens", action="store_true", help="also replace the tests' masks")
    options = parser.parse_args()
    machine = describe()
    if options.goldens:
        write_png(ASTRONAUT, cut_out())
    picture = scene(*SCENE, SIDE, *PLACE)
    theirs = {name: opencv_mask(name, picture) for name in MODELS}
    if options.goldens:
        strip = np.vstack([np.rint(255 * mask).astype(np.uint8) for mask in theirs.values()])
        with replacing(GOLDENS) as temporary:
            Image.fromarray(strip).save(temporary, format="PNG", optimize=True)
    rows: list[dict[str, Any]] = []
    ours: dict[ModelName, F32] = {}
    for name in MODELS:
        ours[name] = Segmenter(name).mask(picture).at(*SCENE)
        rows.append({"model": name, "iou": iou(ours[name], theirs[name]), **cost(name)})
    draw(picture, ours)
    report.save("masks", {"machine": machine, "rows": rows})


def cut_out() -> U8:
    """Cut the astronaut out of her photo: (SIDE, SIDE, 4) uint8; alpha is the person mask."""
    from skimage.data import astronaut

    photo = astronaut()
    mask = Segmenter("heavy").mask(photo).at(*photo.shape[:2])
    alpha = np.rint(255 * mask).astype(np.uint8)
    whole = Image.fromarray(np.dstack([photo, alpha]))
    return np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.BOX))


def scene(height: int, width: int, side: int, top: int, left: int) -> U8:
    """Composite the astronaut, `side` pixels high, on a drawn room."""
    room = Image.fromarray(scenes.photo_room(height, width))
    person = Image.open(ASTRONAUT).resize((side, side), Image.Resampling.BILINEAR)
    room.paste(person, (left, top), person)
    return np.asarray(room)


def iou(mask_a: F32, mask_b: F32) -> float:
    """Return the intersection over union of two masks, thresholded at 0.5."""
    person_a, person_b = mask_a > 0.5, mask_b > 0.5
    return float((person_a & person_b).sum() / (person_a | person_b).sum())


# The same steps with OpenCV ---------------------------------------------------------------------


def opencv_mask(name: ModelName, picture: U8) -> F32:
    """Segment the person in an RGB picture with OpenCV: (h, w) float32."""
    model = MODELS[name]
    height, width = picture.shape[:2]
    # Three corresponding points determine the affine map.
    if model.tracks:
        centre, top = _opencv_detection(picture)
        up = 1.25 * (top - centre)
        left = np.array([up[1], -up[0]])
        corners = np.array([centre + up + left, centre + up - left, centre - up + left])
    else:
        corners = np.array([[0, 0], [width, 0], [0, height]])
    tensor_corners = np.array([[0, 0], [model.width, 0], [0, model.height]])
    to_tensor = cv2.getAffineTransform(corners.astype(np.float32), tensor_corners.astype("f4"))
    tensor = _opencv_sample(picture, to_tensor, model.height, model.width) / 255.0
    network = cv2.dnn.readNetFromTFLite(str(WEIGHTS / model.file), engine=cv2.dnn.ENGINE_CLASSIC)
    network.setInput(tensor.transpose(2, 0, 1)[None])
    if model.tracks:
        logits = network.forward("Identity_2")[0, 0].astype(np.float64)
        mask = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    else:
        mask = network.forward()[0, 0].astype(np.float64)
    # OpenCV puts pixel centres at integers, unveil at half integers.
    back = _whole_centres(to_tensor)
    return cv2.warpAffine(
        mask.astype(np.float32),
        back,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )


def _opencv_detection(picture: U8) -> tuple[F64, F64]:
    """Find two keypoints of the highest-scoring person: mid hip and top of the body circle.

    Returns
    -------
    (2,) float64 each, (x, y) in the picture.
    """
    from ai_edge_litert.interpreter import Interpreter

    height, width = picture.shape[:2]
    scale = DETECTOR.width / max(height, width)
    to_tensor = np.array(
        [[scale, 0, (224 - width * scale) / 2], [0, scale, (224 - height * scale) / 2]]
    )
    tensor = _opencv_sample(picture, to_tensor, 224, 224) / 127.5 - 1
    interpreter = Interpreter(model_path=str(WEIGHTS / DETECTOR.file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor[None])
    interpreter.invoke()
    boxes, logits = (
        interpreter.get_tensor(detail["index"])[0] for detail in interpreter.get_output_details()
    )
    scores = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
    centres = [
        ((x + 0.5) * stride, (y + 0.5) * stride)
        for stride in (8, 16, 32, 32, 32)
        for y in range(224 // stride)
        for x in range(224 // stride)
        for _ in range(2)
    ]
    best = int(scores.argmax())
    rectangles = [
        (cx + b[0] - b[2] / 2, cy + b[1] - b[3] / 2, b[2], b[3])
        for (cx, cy), b in zip(centres, boxes, strict=True)
    ]
    total = 0.0
    points = np.zeros((2, 2))
    for n in np.flatnonzero(scores >= 0.5):
        if _overlap(rectangles[n], rectangles[best]) > 0.3:
            points += scores[n] * (boxes[n, 4:8].reshape(2, 2) + centres[n])
            total += scores[n]
    points = (points / total - to_tensor[:, 2]) / scale
    return points[0], points[1]


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the intersection over union of two rectangles: left, top, width, height."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(across, 0.0) * max(down, 0.0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def _opencv_sample(picture: U8, to_tensor: F64, height: int, width: int) -> F32:
    """Sample a picture at four times the resolution, then average: (height, width, 3) float32."""
    dense = to_tensor * 4
    sampled = cv2.warpAffine(
        picture.astype(np.float32), _whole_centres(dense), (4 * width, 4 * height)
    )
    return cv2.resize(sampled, (width, height), interpolation=cv2.INTER_AREA)


def _whole_centres(affine: F64) -> F64:
    """Convert an affine map to the convention of pixel centres at integers."""
    moved = affine.copy()
    moved[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
    return moved


# What a mask costs ------------------------------------------------------------------------------


def cost(name: ModelName) -> dict[str, Any]:
    """Measure the milliseconds of a mask of a 1080p frame, by step and number of threads.

    `milliseconds` is a frame in which the person is tracked, `searching_milliseconds` one that
    needs the detector.
    """
    planes, layout = large_frame()
    milliseconds = {}
    for threads in sorted({1, min(2, available_cores())}):
        segmenter = Segmenter(name, threads=threads)
        milliseconds[str(threads)] = fastest_milliseconds(
            lambda segmenter=segmenter: segmenter.mask_planes(planes, layout)
        )
    found = segmenter.mask_planes(planes, layout)
    tensor = np.empty((*found.probability.shape, 3), np.float32)
    to_frame = inverse(found.to_mask)
    sampling_milliseconds = fastest_milliseconds(
        lambda: sampling.fill(tensor, planes, layout, to_frame, 0.0, 1.0)
    )
    searching = None
    if MODELS[name].tracks:

        def search() -> None:
            segmenter.reset()
            segmenter.mask_planes(planes, layout)

        searching = fastest_milliseconds(search)
    return {
        "milliseconds": milliseconds,
        "searching_milliseconds": searching,
        "sampling_milliseconds": sampling_milliseconds,
        "drawing_milliseconds": fastest_milliseconds(lambda: found.at(1080, 1920)),
    }


def large_frame() -> tuple[Planes, Layout]:
    """Make a 1080p yuv420p frame of the astronaut in a drawn room."""
    picture = scene(1080, 1920, 3 * SIDE, 1080 - 3 * SIDE, 600)
    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
    reader = PlaneReader()
    layout = reader.layout_of(frame)
    batch = layout.empty(1)
    reader.copy_into(frame, batch, 0)
    luma, cb, cr = batch
    return (luma[0], cb[0], cr[0]), layout


def fastest_milliseconds(step: Callable[[], object]) -> float:
    """Return the shortest of `ROUNDS` times of a step: other programs can only add time."""
    best = math.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - started)
    return 1e3 * best


# The picture ------------------------------------------------------------------------------------


def draw(picture: U8, masks: dict[ModelName, F32]) -> None:
    """Write `docs/models.png`: the picture, and the picture tinted with each model's mask."""
    tiles = [_titled(picture, "picture")]
    for name, mask in masks.items():
        grey = 0.35 * picture.mean(axis=2, keepdims=True) + 0.65 * 255
        person = 0.75 * picture + 0.25 * TINT
        shown = grey + mask[..., None] * (person - grey)
        tiles.append(_titled(np.rint(shown).astype(np.uint8), name))
    write_png(PICTURE, np.hstack(tiles))


def _titled(picture: U8, title: str) -> U8:
    picture = picture[:, SHOWN]
    tile = Image.new("RGB", (picture.shape[1] + 4, picture.shape[0] + 26), "white")
    tile.paste(Image.fromarray(picture), (2, 24))
    ImageDraw.Draw(tile).text((4, 4), title, fill="black", font=ImageFont.load_default(15))
    return np.asarray(tile)


if __name__ == "__main__":
    main()
