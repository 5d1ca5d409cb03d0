"""The networks' files: checksums match, and damage is reported."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from unveil.errors import DamagedModel, MissingRuntime, UnveilError, explain
from unveil.person import MODELS, Segmenter, models
from unveil.person.models import DETECTOR, WEIGHTS, Model

FILES = {
    "pose_detection.tflite": "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
    "pose_landmark_lite.tflite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "pose_landmark_heavy.tflite": (
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"
    ),
    "selfie_segmentation.tflite": (
        "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"
    ),
    "selfie_segmentation_landscape.tflite": (
        "4aafe6223bb8dac6fac8ca8ed56852870a33051ef3f6238822d282a109962894"
    ),
}
ALL = [DETECTOR, *MODELS.values()]


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.file)
def test_the_files_are_those_of_mediapipe(model: Model) -> None:
    content = (WEIGHTS / model.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == FILES[model.file] == model.sha256
    assert models.read(model) == content


def test_nothing_else_ships_but_the_licence() -> None:
    assert {path.name for path in WEIGHTS.iterdir()} == {*FILES, "LICENSE", "NOTICE"}
    notice = (WEIGHTS / "NOTICE").read_text(encoding="utf-8")
    assert all(name in notice for name in FILES)
    assert "Apache License" in (WEIGHTS / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.usefixtures("none_idle")
def test_a_damaged_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / MODELS["selfie"].file
    shutil.copy(WEIGHTS / damaged.name, damaged)
    with damaged.open("r+b") as file:
        file.seek(100_000)
        file.write(b"damage")
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(DamagedModel, match=r"is not the file that unveil ships; install") as said:
        Segmenter("selfie")
    assert isinstance(said.value, UnveilError)
    assert str(damaged) in explain(said.value)


@pytest.mark.usefixtures("none_idle")
def test_a_missing_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(DamagedModel, match=r"lite\.tflite: cannot be read .*; install"):
        Segmenter("lite")


@pytest.mark.usefixtures("none_idle")
def test_a_missing_runtime_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingRuntime, match="ai-edge-litert, which finds the person, cannot"):
        Segmenter("lite")
