"""The networks that unveil ships: names, files, checksums and input sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from unveil.errors import DamagedModel

ModelName: TypeAlias = Literal["lite", "full", "heavy", "selfie", "selfie-landscape"]

WEIGHTS: Final = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class Model:
    """A network's file in `WEIGHTS` and the size of its input.

    `tracks` is True for the pose models, which see a region around one person and track it, and
    False for the selfie models, which see the whole frame.
    """

    file: str
    sha256: str
    height: int
    width: int
    tracks: bool


MODELS: Final[Mapping[ModelName, Model]] = {
    "lite": Model(
        "pose_landmark_lite.tflite",
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        *(256, 256),
        tracks=True,
    ),
    "full": Model(
        "pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        *(256, 256),
        tracks=True,
    ),
    "heavy": Model(
        "pose_landmark_heavy.tflite",
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
        *(256, 256),
        tracks=True,
    ),
    "selfie": Model(
        "selfie_segmentation.tflite",
        "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        *(256, 256),
        tracks=False,
    ),
    "selfie-landscape": Model(
        "selfie_segmentation_landscape.tflite",
        "4aafe6223bb8dac6fac8ca8ed56852870a33051ef3f6238822d282a109962894",
        *(144, 256),
        tracks=False,
    ),
}
"""By the name that a user chooses: pose models in order of cost, then the selfie models."""

DETECTOR: Final = Model(
    "pose_detection.tflite",
    "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
    *(224, 224),
    tracks=False,
)
"""Detects the person whom a pose model then tracks."""


def read(model: Model) -> bytes:
    """Read a network's file.

    Raises
    ------
    DamagedModel
        The file is missing, cannot be read or has been changed.
    """
    # The command line needs the models' names only.
    import hashlib

    path = WEIGHTS / model.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedModel(
            f"{path}: cannot be read ({error.strerror}); install unveil again"
        ) from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise DamagedModel(f"{path}: is not the file that unveil ships; install unveil again")
    return content
