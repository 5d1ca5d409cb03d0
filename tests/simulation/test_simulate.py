"""Simulated calls: the truth must be what the frames show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests import DATA
from tests.command import unveil
from tests.footage import numbered_frames, write_video
from tests.segmenters import Redness
from unveil.errors import (
    InvalidParameter,
    MissingInput,
    NoPerson,
    OutputExists,
    OutputUnwritable,
)
from unveil.files import Replacement
from unveil.progress import Progress
from unveil.scoring.leak import measure_recovery
from unveil.scoring.truth import NAMES, Truth
from unveil.simulation import simulate
from unveil.simulation.simulate import Simulation, simulate_call
from unveil.simulation.subject import Choreography, place
from unveil.video.rgb_reader import VideoPictures

U8 = npt.NDArray[np.uint8]
SIZE = {"height": 90, "width": 160}
RED = (230, 20, 30)
GREEN, BLUE = (30, 180, 40), (40, 60, 200)


@pytest.fixture
def material(tmp_path: Path) -> dict[str, Path]:
    """Make a red person with transparency, a green room and a blue background."""
    person = np.zeros((90, 80, 4), np.uint8)
    person[30:, 20:60] = (*RED, 255)
    Image.fromarray(person).save(tmp_path / "person.png")
    Image.new("RGB", (160, 90), GREEN).save(tmp_path / "room.png")
    Image.new("RGB", (160, 90), BLUE).save(tmp_path / "background.png")
    return {name: tmp_path / f"{name}.png" for name in ("person", "room", "background")}


def make(folder: Path, material: dict[str, Path], **options: Any) -> tuple[Simulation, Truth]:
    chosen: dict[str, Any] = {
        **SIZE,
        "n_frames": 30,
        "segmenter": Redness(wider=6),
        "camera_noise": 0.0,
        "bit_rate": 4_000_000,
    }
    made = simulate_call(folder, **material, **(chosen | options))
    return made, Truth.read(made.truth)


def frames_of(made: Simulation) -> npt.NDArray[np.int64]:
    with av.open(str(made.call)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.int64)


def near(frames: npt.NDArray[np.int64], colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    # Chroma has half the resolution, and the encoder its own mind.
    close: npt.NDArray[np.bool_] = np.abs(frames - colour).max(axis=-1) < 40
    return close


def test_the_truth_is_what_the_frames_show(tmp_path: Path, material: dict[str, Path]) -> None:
    made, truth = make(tmp_path / "out", material)
    frames = frames_of(made)
    assert frames.shape == (30, 90, 160, 3)
    assert (made.n_frames, made.frame_rate, made.height, made.width) == (30, 30.0, 90, 160)
    assert (truth.room == GREEN).all()
    assert (truth.background == BLUE).all()
    shows_room, shows_background = near(frames, GREEN), near(frames, BLUE)
    # Six columns to the right of the person, wherever it sways.
    assert (shows_room.sum(axis=0) > 0)[truth.hits >= 1].mean() > 0.8
    assert not shows_room[:, truth.leak == 0].any()
    assert np.abs(shows_background.sum(axis=0) - truth.seen).mean() < 1
    assert np.abs(shows_room.sum(axis=0) - truth.hits).mean() < 0.5
    assert made.strong_share == truth.strong.mean() > 0.02
    assert made.leak_share == pytest.approx(truth.leak.mean() / 255)


def test_the_truth_is_that_of_the_recipe(tmp_path: Path, material: dict[str, Path]) -> None:
    """Go through the recipe once more, frame by frame and pixel by pixel."""
    made, truth = make(tmp_path / "out", material, lag=1, smoothing=0.5, motions=("sway", "lean"))
    picture = Image.open(material["person"])
    choreography = Choreography(("sway", "lean"), 0)
    room, background = truth.room.astype(float), truth.background.astype(float)
    leak, hits, seen = (np.zeros((90, 160)) for _ in range(3))
    smooth = None
    masks: list[npt.NDArray[np.float64]] = []
    shown = []
    for n in range(30):
        person, matte = place(picture, choreography.pose(n / 30), 90, 160, 1.0)
        share = matte[..., None] / 255
        camera = np.floor(person * share + room * (1 - share) + 0.5)
        found = Redness(wider=6).mask(camera.astype(np.uint8)).probability
        smooth = found if smooth is None else 0.5 * smooth + 0.5 * found
        masks.append(np.rint(255 * smooth))
        mask = masks[max(0, n - 1)]
        shown.append(camera * mask[..., None] / 255 + background * (1 - mask[..., None] / 255))
        leaking = np.where(matte == 0, mask, 0)
        leak = np.maximum(leak, leaking)
        hits += leaking > 0.9 * 255
        seen += mask < 0.02 * 255
    assert np.array_equal(truth.leak, leak)
    assert np.array_equal(truth.hits, hits)
    assert np.array_equal(truth.seen, seen)
    assert np.abs(frames_of(made) - np.stack(shown)).mean() < 6


def test_the_camera_and_the_matte_are_what_the_call_was_made_of(
    tmp_path: Path, material: dict[str, Path]
) -> None:
    options: dict[str, Any] = {"motions": ("sway", "lean"), "lag": 2, "n_frames": 12}
    plain, _ = make(tmp_path / "plain", material, **options)
    made, truth = make(tmp_path / "out", material, camera_only=True, **options)
    assert made.camera is not None
    assert made.matte is not None
    assert made.call.read_bytes() == plain.call.read_bytes()
    assert made.truth.read_bytes() == plain.truth.read_bytes()
    picture = Image.open(material["person"])
    choreography = Choreography(("sway", "lean"), 0)
    mattes = list(VideoPictures(made.matte))
    cameras = list(VideoPictures(made.camera))
    assert len(mattes) == len(cameras) == 12
    for n, (matte, camera) in enumerate(zip(mattes, cameras, strict=True)):
        person, exact = place(picture, choreography.pose(n / 30), 90, 160, 1.0)
        np.testing.assert_array_equal(matte, np.repeat(exact[..., None], 3, axis=2))
        share = exact[..., None] / 255
        seen = person * share + truth.room * (1 - share)
        assert np.abs(camera - seen)[exact == 0].mean() < 2
        assert np.abs(camera - seen).mean() < 2


def test_an_earlier_camera_does_not_stay_beside_another_call(
    tmp_path: Path, material: dict[str, Path]
) -> None:
    out = tmp_path / "out"
    make(out, material, camera_only=True, n_frames=3)
    names = {path.name for path in out.iterdir()}
    assert names == {"call.mp4", "truth.npz", "camera.mp4", "matte.mkv"}
    for stays in ("camera.mp4", "matte.mkv"):
        for path in out.iterdir():
            if path.name != stays:
                path.unlink()
        with pytest.raises(OutputExists):
            make(out, material, n_frames=3)
        made, _ = make(out, material, n_frames=3, force=True)
        assert (made.camera, made.matte) == (None, None)
        assert {path.name for path in out.iterdir()} == {"call.mp4", "truth.npz"}
        make(out, material, camera_only=True, n_frames=3, force=True)


@pytest.mark.parametrize("failing", ["call", "camera", "matte", "truth"])
def test_of_four_files_none_stands_alone(
    tmp_path: Path, material: dict[str, Path], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise OutputUnwritable("full")

    commit = Replacement.commit

    def commit_others(replacement: Replacement) -> None:
        if replacement.path.stem == failing:
            raise OutputUnwritable("full")
        commit(replacement)

    monkeypatch.setattr(Replacement, "commit", commit_others)
    if failing == "truth":
        monkeypatch.setattr("unveil.scoring.truth.Truth.write", fail)
    with pytest.raises(OutputUnwritable):
        make(tmp_path / "out", material, camera_only=True, n_frames=3)
    assert not (tmp_path / "out").exists()


def test_a_perfect_service_leaks_nothing(tmp_path: Path, material: dict[str, Path]) -> None:
    _, truth = make(tmp_path / "out", material, segmenter=Redness(), motions=())
    assert not truth.leak.any()
    assert set(np.unique(truth.seen)) <= {0, 30}


def test_a_late_mask_leaks_behind_whoever_moves(tmp_path: Path, material: dict[str, Path]) -> None:
    _, prompt = make(tmp_path / "prompt", material, segmenter=Redness(), n_frames=60)
    _, late = make(tmp_path / "late", material, segmenter=Redness(), n_frames=60, lag=5)
    assert prompt.strong.mean() < 0.01 < late.strong.mean()


def test_the_same_seed_gives_the_same_files(tmp_path: Path, material: dict[str, Path]) -> None:
    noisy: dict[str, Any] = {"camera_noise": 3.0, "pixels_of_noise": 0.01, "frames_of_noise": 2}
    made = [
        make(tmp_path / name, material, seed=seed, **noisy)[0]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    calls = [each.call.read_bytes() for each in made]
    assert calls[0] == calls[1] != calls[2]
    assert made[0].truth.read_bytes() == made[1].truth.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["call.mp4", "truth.npz"]


def test_the_cameras_noise_lies_on_what_it_sees(tmp_path: Path, material: dict[str, Path]) -> None:
    made, _ = make(tmp_path / "out", material, camera_noise=8.0, motions=(), bit_rate=20_000_000)
    frames = frames_of(made)
    assert frames[5:, 60:, 72:88].std(axis=0).mean() > 4  # always the person
    assert frames[5:, :20, :30].std(axis=0).mean() < 1


def test_frames_of_noise_count_as_nothing(tmp_path: Path, material: dict[str, Path]) -> None:
    made, truth = make(tmp_path / "out", material, frames_of_noise=3, motions=())
    noisy = [
        n for n, frame in enumerate(frames_of(made)) if frame[:20].std(axis=(0, 1)).mean() > 20
    ]
    assert noisy == [17, 22, 27]
    assert truth.seen.max() == 27
    assert truth.hits.max() == 27


def test_a_moving_background_is_told_by_its_first_frame(
    tmp_path: Path, material: dict[str, Path]
) -> None:
    video = write_video(tmp_path / "video.mp4", numbered_frames(7, 90, 160, first=40))
    made, truth = make(tmp_path / "out", material | {"background": video}, n_frames=20)
    levels = frames_of(made)[:, 2, 2].mean(axis=1)
    assert levels[6] > levels[0] + 4
    assert levels[7] == pytest.approx(levels[0], abs=2)
    assert truth.background[2, 2].mean() == pytest.approx(levels[0], abs=3)


def red_at_the_end(n_frames: int) -> Iterator[av.VideoFrame]:
    """Make black frames, in the last three of which there is a red person."""
    for number in range(n_frames):
        picture = np.zeros((90, 80, 3), np.uint8)
        if number >= n_frames - 3:
            picture[30:, 20:60] = RED
        yield av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")


def test_footage_gives_length_and_rate(tmp_path: Path, material: dict[str, Path]) -> None:
    footage = write_video(tmp_path / "clip.mp4", red_at_the_end(3))
    made, _ = make(tmp_path / "all", material | {"person": footage}, n_frames=None, matte=Redness())
    assert made.n_frames == 3
    with av.open(str(footage)) as container:
        rate = container.streams.video[0].average_rate
    assert rate is not None
    assert made.frame_rate == pytest.approx(float(rate))
    short, _ = make(
        tmp_path / "short",
        material | {"person": footage},
        n_frames=2,
        frame_rate=12.5,
        matte=Redness(),
    )
    assert (short.n_frames, short.frame_rate) == (2, 12.5)


def test_progress_is_told(tmp_path: Path, material: dict[str, Path]) -> None:
    reports: list[Progress] = []
    make(tmp_path / "out", material, progress=reports.append)
    assert reports[0].n_frames == 1
    assert {each.expected_frames for each in reports} == {30}
    assert {each.stage for each in reports} == {"count"}


def test_an_earlier_call_is_kept(tmp_path: Path, material: dict[str, Path]) -> None:
    make(tmp_path / "out", material)
    before = (tmp_path / "out" / "call.mp4").read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        make(tmp_path / "out", material, seed=3)
    assert (tmp_path / "out" / "call.mp4").read_bytes() == before
    make(tmp_path / "out", material, force=True, motions=())
    assert (tmp_path / "out" / "call.mp4").read_bytes() != before


def test_no_call_stands_without_its_truth(
    tmp_path: Path, material: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputUnwritable("full")

    out = tmp_path / "out"
    make(out, material)
    with monkeypatch.context() as broken:
        broken.setattr("unveil.scoring.truth.Truth.write", fail)
        with pytest.raises(OutputUnwritable):
            make(out, material, force=True, motions=())
    assert list(out.iterdir()) == []


def test_a_failure_leaves_no_call_behind(tmp_path: Path, material: dict[str, Path]) -> None:
    class Broken:
        def mask(self, picture: U8) -> Any:
            raise RuntimeError("no network")

    with pytest.raises(RuntimeError):
        make(tmp_path / "out", material, segmenter=Broken())
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable):
        make(tmp_path / "file", material)


@pytest.mark.parametrize("kind", ["still", "transparent still", "clip"])
def test_a_call_that_would_show_nobody_is_not_made(
    tmp_path: Path, material: dict[str, Path], kind: str
) -> None:
    """The network finds nobody, or the picture is empty where it is transparent."""
    person = tmp_path / ("nobody.mkv" if kind == "clip" else "nobody.png")
    if kind == "clip":
        write_video(person, numbered_frames(5, 90, 80))
    else:
        Image.new("RGBA" if kind.startswith("transparent") else "RGB", (80, 90)).save(person)
    make(tmp_path / "out", material)
    before = (tmp_path / "out" / "call.mp4").read_bytes()
    with pytest.raises(NoPerson, match=r"nobody\.(png|mkv): nobody is found"):
        make(tmp_path / "out", material | {"person": person}, matte=Redness(), force=True)
    assert (tmp_path / "out" / "call.mp4").read_bytes() == before


def test_who_comes_late_is_somebody(tmp_path: Path, material: dict[str, Path]) -> None:
    person = write_video(tmp_path / "late.mp4", red_at_the_end(12))
    made, _ = make(tmp_path / "out", material | {"person": person}, matte=Redness())
    assert made.n_frames == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"height": 31}, "size"),
        ({"n_frames": 0}, "n_frames"),
        ({"frame_rate": 0}, "frame_rate"),
        ({"frame_rate": float("nan")}, "frame_rate"),
        ({"scale": 0.01}, "scale"),
        ({"motions": ("dance",)}, "motions"),
        ({"camera_noise": -1}, "camera_noise"),
        ({"frames_of_noise": -1}, "frames_of_noise"),
        ({"frames_of_noise": 16}, "frames_of_noise"),
        ({"segmenter": "other"}, "model"),
        ({"lag": -1}, "lag"),
        ({"bit_rate": 0}, "bit_rate"),
    ],
)
def test_values_out_of_range(
    tmp_path: Path, material: dict[str, Path], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidParameter, match=said):
        make(tmp_path / "out", material, **options)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("name", ["person", "room", "background"])
def test_material_that_is_missing(tmp_path: Path, material: dict[str, Path], name: str) -> None:
    with pytest.raises(MissingInput, match=r"no\.png"):
        make(tmp_path / "out", material | {name: tmp_path / "no.png"})


def test_a_call_can_be_recovered_and_scored(tmp_path: Path, material: dict[str, Path]) -> None:
    from unveil.recovery.recover import recover

    made, truth = make(tmp_path / "out", material, n_frames=90)
    recovery = recover(made.call, method="rarest")
    score = measure_recovery(recovery.room, truth, recovery.background)
    assert score.precision > 0.2
    assert score.recall > 0.2
    assert score.leak_score > score.floor


def test_the_command_makes_the_same_call(
    tmp_path: Path, material: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulate, "_segmenter", lambda named, threads: Redness(wider=6))
    _, truth = make(tmp_path / "library", material, motions=("lean", "zoom"), lag=2)
    done = unveil(
        *("simulate", material["person"], "--room", material["room"]),
        *("--background", material["background"], "-o", tmp_path / "out", "--height", "90"),
        *("--width", "160", "--frames", "30", "--camera-noise", "0", "--bit-rate", "4000000"),
        *("--motion", "lean", "--motion", "zoom", "--lag", "2", "--camera-only"),
    )
    assert done.exit_code == 0, done.stderr
    assert "camera.mp4: as the camera saw it" in done.stdout
    assert (tmp_path / "out" / "matte.mkv").exists()
    assert "call.mp4: 30 frames" in done.stdout
    assert "truth.npz" in done.stdout
    again = Truth.read(tmp_path / "out" / "truth.npz")
    for name in NAMES.values():
        assert np.array_equal(getattr(again, name), getattr(truth, name))
    refused = unveil("simulate", material["person"], "-o", tmp_path / "x", "--motion", "dance")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("unveil: --motion: ")
    score = unveil("score", material["room"], "--truth", tmp_path / "out" / "truth.npz", "--json")
    assert json.loads(score.stdout)["recall"] == 1


def test_a_network_lets_the_room_through(tmp_path: Path) -> None:
    """The astronaut moves, and the mask of the selfie model is four frames late."""
    pytest.importorskip("ai_edge_litert")
    astronaut = DATA / "astronaut.png"
    scene: dict[str, Any] = {"height": 180, "width": 320, "n_frames": 40, "threads": 1}
    made = {lag: simulate_call(tmp_path / str(lag), astronaut, lag=lag, **scene) for lag in (0, 4)}
    assert 0 < made[0].leak_share < made[4].leak_share < 0.3
    truth = Truth.read(made[4].truth)
    assert truth.seen[:10, :30].min() == 40  # far from her the background is pure
    # A photo of her in the room is cut out by the matte.
    room = Image.new("RGB", (256, 256), (120, 130, 110))
    with Image.open(astronaut) as cut_out:
        room.paste(cut_out, mask=cut_out.getchannel("A"))
    room.save(tmp_path / "photo.png")
    photo = simulate_call(tmp_path / "photo", tmp_path / "photo.png", matte="full", **scene)
    assert 0 < photo.leak_share < 0.3
