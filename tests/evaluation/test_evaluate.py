"""The evaluation of a background: a short call, attacked before it and before the plain picture."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unveil
from tests.astronaut_call import use_small_astronaut, use_tiny_evaluation
from tests.command import unveil as command
from unveil.errors import Interrupted, InvalidParameter, MissingInput
from unveil.evaluation import BackgroundEvaluation, evaluate_background
from unveil.evaluation.attacks import ATTACKS, Outcome
from unveil.evaluation.evaluate import Comparison
from unveil.evaluation.likeness import Likeness
from unveil.progress import Progress
from unveil.shielding import shield

SIZE: dict[str, Any] = {"height": 90, "width": 160, "seconds": 1, "fps": 20}
short_evaluation = partial(evaluate_background, n_frames=20, frame_rate=2.5, threads=1)
"""The person leaves after five seconds: the whole movement, in few frames."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    shield("dusk", folder / "decoys.mp4", strength=2.5, **SIZE)
    return folder


@pytest.fixture(scope="module")
def steps() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def evaluated(folder: Path, steps: list[Progress]) -> BackgroundEvaluation:
    pytest.importorskip("ai_edge_litert")
    with pytest.MonkeyPatch.context() as patch:
        use_small_astronaut(patch)
        return short_evaluation(folder / "decoys.mp4", "dusk", progress=steps.append)


def test_decoys_lead_the_default_astray(evaluated: BackgroundEvaluation) -> None:
    default, *_ = evaluated.comparisons
    assert [one.attack for one in evaluated.comparisons] == list(ATTACKS)
    assert default.plain.right > 0.05
    assert default.resisting.f < 0.8 * default.plain.f
    for one in evaluated.comparisons:
        for outcome in (one.plain, one.resisting):
            assert 0 <= outcome.right <= outcome.claimed <= 1
    assert evaluated.remaining_share == evaluated.best_resisting_f / evaluated.best_plain_f


def test_what_is_seen_of_it_is_measured(evaluated: BackgroundEvaluation, folder: Path) -> None:
    assert 0.5 < evaluated.likeness.ssim < 0.99
    assert 10 < evaluated.likeness.psnr < 30
    assert evaluated.likeness.flicker > 0.5
    size = (folder / "decoys.mp4").stat().st_size
    assert evaluated.bit_rate == pytest.approx(8 * size / SIZE["seconds"])


def test_progress_and_what_is_left(
    evaluated: BackgroundEvaluation, steps: list[Progress], folder: Path
) -> None:
    assert {"count", "finalise"} <= {step.stage for step in steps}
    assert [path.name for path in folder.iterdir()] == ["decoys.mp4"]
    assert evaluated.n_frames == 20


def test_a_request_to_stop_ends_it(folder: Path) -> None:
    with pytest.raises(Interrupted):
        short_evaluation(folder / "decoys.mp4", "dusk", stop=lambda: True)


def test_what_cannot_be_evaluated(tmp_path: Path, folder: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "still.png")
    with pytest.raises(InvalidParameter, match=r"^video: still\.png is a picture"):
        evaluate_background(tmp_path / "still.png")
    with pytest.raises(MissingInput):
        evaluate_background(tmp_path / "no.mp4")
    with pytest.raises(InvalidParameter, match=r"^background: "):
        evaluate_background(folder / "decoys.mp4", "no.png")


def test_without_leaks_nothing_remains() -> None:
    nothing = Outcome(0.0, 0.0, 0.0, 0.0)
    made = BackgroundEvaluation(
        (Comparison("default", nothing, nothing),), Likeness(1.0, np.inf, 0.0), None, 9, 8, 8, 0.0
    )
    assert made.remaining_share is None
    fields = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert (fields["psnr"], fields["remaining_share"], fields["bit_rate"]) == (None, None, None)


@pytest.fixture
def given(evaluated: BackgroundEvaluation, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the command have the evaluation of above; list what it is called with."""
    calls: list[Any] = []

    def evaluate(video: Path, plain: object, **options: Any) -> BackgroundEvaluation:
        assert video.is_file()
        calls.append((video, plain, options["threads"]))
        return evaluated

    monkeypatch.setattr("unveil.evaluation.evaluate_background", evaluate)
    return calls


OPTIONS = [f"--{name}={value}" for name, value in SIZE.items()]


def test_the_command_evaluates_what_it_makes(
    tmp_path: Path, given: list[Any], evaluated: BackgroundEvaluation
) -> None:
    kept = tmp_path / "kept.mp4"
    done = command("shield", "dusk", "-o", kept, "--evaluate", *OPTIONS, "--threads", "1")
    assert done.exit_code == 0, done.stderr
    assert given == [(kept, "dusk", 1)]
    assert "kept.mp4: 20 frames of 160x90" in done.stdout
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("transitions"))
    figures = evaluated.comparisons[1]
    assert row.split()[1:3] == [f"{figures.plain.f:.3f}", f"{figures.resisting.f:.3f}"]
    assert f"{evaluated.likeness.ssim:.3f}" in done.stdout
    assert kept.is_file()


def test_the_command_keeps_no_video_that_is_not_asked_for(
    given: list[Any], evaluated: BackgroundEvaluation
) -> None:
    done = command("shield", "dusk", "--evaluate", *OPTIONS, "--json")
    fields = json.loads(done.stdout)
    assert fields["evaluation"] == json.loads(json.dumps(evaluated.as_dict()))
    assert (fields["output"], fields["n_frames"]) == (None, 20)
    ((video, _, _),) = given
    assert not video.parent.exists()


def test_the_command_evaluates_a_video_as_it_is(
    folder: Path, given: list[Any], evaluated: BackgroundEvaluation
) -> None:
    video = folder / "decoys.mp4"
    done = command("shield", video, "--evaluate", "--json")
    assert json.loads(done.stdout) == {"evaluation": json.loads(json.dumps(evaluated.as_dict()))}
    assert given == [(video, None, None)]
    for option in (["--kind", "drift"], ["-o", "out.mp4"], ["--seed", "0"]):
        refused = command("shield", video, "--evaluate", *option)
        assert refused.exit_code == 2
        assert "a video is evaluated as it is" in refused.stderr


def test_what_the_command_needs(tmp_path: Path) -> None:
    missing = command("shield", "dusk")
    assert missing.exit_code == 2
    assert missing.stderr.startswith("unveil: --out: ")
    alone = command("shield", "dusk", "-o", tmp_path / "a.mp4", "--threads", "1")
    assert alone.exit_code == 2
    assert alone.stderr.startswith("unveil: --threads: ")
    assert not list(tmp_path.iterdir())


def test_the_plain_picture_of_a_video_is_the_median_of_its_frames(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    assert unveil.evaluate_background is evaluate_background
    use_tiny_evaluation(monkeypatch)
    found = unveil.evaluation.evaluate_background(folder / "decoys.mp4")
    # Decoys are rare, so that the median is the picture.
    assert found.likeness.psnr > 10
