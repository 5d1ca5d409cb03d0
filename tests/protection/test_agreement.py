"""`AgreeingSegmenter`: a pixel shows the person if every network says so."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.swaying import ASTRONAUT
from unveil.person import Mask, Segmenter
from unveil.protection import Protector
from unveil.protection.agreement import AGREEING_MODELS, AgreeingSegmenter
from unveil.protection.frames import empty_frame
from unveil.video.chunk import Layout, Planes

F32 = npt.NDArray[np.float32]

HEIGHT, WIDTH = 96, 128
LAYOUT = Layout(HEIGHT, WIDTH, 1, 1)


def planes() -> Planes:
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return np.full((HEIGHT, WIDTH), 200, np.uint8), chroma, chroma.copy()


class _Network:
    """Gives one mask of its own resolution."""

    def __init__(self, probability: F32) -> None:
        self.probability = probability
        self.n_resets = 0

    def mask_planes(self, planes: Planes, layout: Layout) -> Mask:
        rows, columns = self.probability.shape
        scale = np.array([[columns / WIDTH, 0.0, 0.0], [0.0, rows / HEIGHT, 0.0]])
        most = float(self.probability.max())
        return Mask(self.probability, scale, HEIGHT, WIDTH, presence=most, landmarks=None)

    def reset(self) -> None:
        self.n_resets += 1


def columns(first: int, last: int, shape: tuple[int, int]) -> F32:
    """Mark the columns from `first` to `last`, in 32nds of the width."""
    probability = np.zeros(shape, np.float32)
    probability[:, first * shape[1] // 32 : last * shape[1] // 32] = 1
    return probability


LEFT, RIGHT = columns(4, 24, (48, 64)), columns(12, 28, (32, 32))


def opacity(segmenter: AgreeingSegmenter) -> npt.NDArray[np.uint8]:
    with Protector("remove", transparent=True, smooth=0, segmenter=segmenter) as protector:
        detection = protector.detect_person(planes(), LAYOUT)
        _, target = empty_frame(LAYOUT, alpha=True)
        protector.compose(planes(), LAYOUT, detection, target, 0.0)
    return target[3][:, :WIDTH].copy()


def test_what_both_networks_mark_is_shown() -> None:
    both = opacity(AgreeingSegmenter([_Network(LEFT), _Network(RIGHT)]))
    assert (both[:, 4 * 13 : 4 * 23] == 255).all()
    assert not both[:, : 4 * 11].any()
    assert not both[:, 4 * 25 :].any()


def test_no_pixel_shows_more_than_by_one_network() -> None:
    both = opacity(AgreeingSegmenter([_Network(LEFT), _Network(RIGHT)]))
    for probability in (LEFT, RIGHT):
        assert (both <= opacity(AgreeingSegmenter([_Network(probability)]))).all()


def test_nobody_is_shown_if_one_network_finds_nobody() -> None:
    empty = _Network(np.zeros((8, 8), np.float32))
    segmenter = AgreeingSegmenter([_Network(LEFT), empty])
    assert segmenter.mask_planes(planes(), LAYOUT).presence == 0
    assert not opacity(segmenter).any()


def test_all_networks_forget_earlier_frames() -> None:
    networks = [_Network(LEFT), _Network(RIGHT)]
    AgreeingSegmenter(networks).reset()
    assert [network.n_resets for network in networks] == [1, 1]


def test_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="segmenters"):
        AgreeingSegmenter([])


def test_the_model_agreeing_is_both_selfie_networks() -> None:
    pytest.importorskip("ai_edge_litert")
    with Image.open(ASTRONAUT) as image:
        picture = np.asarray(image.convert("RGB"))
    opacities = []
    both = AgreeingSegmenter([Segmenter(model, threads=1) for model in AGREEING_MODELS])
    choices: tuple[dict[str, Any], ...]
    choices = {"model": "agreeing"}, {"segmenter": both}, {"model": "selfie"}
    for chosen in choices:
        with Protector("remove", transparent=True, smooth=0, threads=1, **chosen) as protector:
            shown = protector.frame(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        opacities.append(shown.reformat(format="rgba").to_ndarray()[..., 3].astype(int))
    agreeing, given, selfie = opacities
    assert (agreeing == given).all()
    assert (agreeing == 255).any()
    assert (agreeing <= selfie).all()
    assert (agreeing < selfie).any()
