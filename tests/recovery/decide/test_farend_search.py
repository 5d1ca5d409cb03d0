"""Method `farend` on recordings: the person is searched, and nothing depends on how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import unveil
from tests import DATA
from tests.command import unveil as command
from tests.command import write_call
from tests.recovery.decide.leaking_call import (
    FRAMES,
    HEIGHT,
    WIDTH,
    Call,
    assert_same,
    right,
)
from tests.segmenters import FixedMask
from tests.sitter import Watcher
from unveil.errors import IncompatibleTable, InvalidParameter
from unveil.person import Mask, Segmenter, blocks
from unveil.recovery.engine import Engine
from unveil.recovery.warmup import prepare
from unveil.scoring.truth import Truth
from unveil.simulation.simulate import simulate_call
from unveil.video.chunk import Chunk, Layout
from unveil.video.writer import VideoWriter

Array = npt.NDArray[Any]
ASTRONAUT = DATA / "astronaut.png"


@pytest.fixture(scope="module")
def recording(call: Call, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "call.mp4"
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=25, crf=10) as video:
        for frame in call.frames:
            video.write(frame)
    return path


def watch(monkeypatch: pytest.MonkeyPatch, call: Call, every: int) -> list[Watcher]:
    """Let a stand-in find the person where the call has one; `prepare` asks one, too."""
    to_mask = np.eye(3)[:2]
    made: list[Watcher] = []

    def answer(number: int) -> Mask:
        person = call.person[number * every].astype(np.float32)
        # The masker adds a margin of its own.
        probability = np.zeros_like(person)
        probability[1:-1, 1:-1] = person[1:-1, 1:-1]
        return Mask(probability, to_mask, HEIGHT, WIDTH, float(person.max()), landmarks=None)

    class Seeing(Watcher):
        def mask_planes(self, planes: Any, layout: Layout) -> Mask | None:
            if layout.height == 2:
                nothing = np.zeros((2, 2), np.float32)
                return Mask(nothing, to_mask, 2, 2, 0.0, landmarks=None)
            return super().mask_planes(planes, layout)

    def make(model: str, threads: int) -> Watcher:
        made.append(Seeing(answer))
        return made[-1]

    monkeypatch.setattr(blocks, "Segmenter", make)
    return made


def test_a_recording_is_searched_and_recovered(
    call: Call, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchers = watch(monkeypatch, call, every=1)
    recovery = unveil.recover(recording, method="farend", person="lite", person_every=1)
    assert watchers[-1].n_asked == FRAMES
    assert right(recovery, call.room)[call.leaked >= 3].mean() > 0.8
    assert recovery.report["person"] == {
        "model": "lite",
        "every": 1,
        "frames_searched": FRAMES,
        "frames_without_person": 0,
        "frames_people_counted": 0,
        "frames_with_several_people": 0,
    }
    assert recovery.report["parameters"]["person"] == "lite"
    assert recovery.report["warnings"] == []


@pytest.mark.parametrize("every", [2, 5])
def test_threads_and_chunks_do_not_change_the_search(
    call: Call, recording: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    rooms = set()
    for threads, chunk_frames in ((1, 1), (2, 7), (2, 64)):
        watchers = watch(monkeypatch, call, every)
        recovery = unveil.recover(
            recording,
            method="farend",
            person_every=every,
            threads=threads,
            chunk_frames=chunk_frames,
        )
        assert watchers[-1].n_asked == FRAMES // every
        assert recovery.report["person"]["frames_searched"] == FRAMES // every
        rooms.add(recovery.room.tobytes())
    assert len(rooms) == 1


def test_where_nobody_is_found_nothing_is_claimed(
    call: Call, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = Call(call.frames, np.zeros_like(call.person), *[call.leaked] * 3)
    watch(monkeypatch, empty, every=2)
    recovery = unveil.recover(recording, method="farend", person_every=2)
    assert recovery.recovered == 0
    assert not recovery.background[..., 3].any()
    assert recovery.report["person"]["frames_without_person"] == FRAMES // 2
    assert recovery.report["warnings"] == ["no person was found in any frame"]


def test_searches_survive_saving_and_merging(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch, call, every=2)
    parts = []
    for n_frames in (21, 8):
        engine = Engine(HEIGHT, WIDTH, method="farend", person_every=2)
        engine.push(call.frames[:n_frames])
        parts.append(engine)
    parts[0].save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")
    loaded.merge(parts[1])
    assert loaded.finalise().report["person"]["frames_searched"] == 11 + 4


def test_without_a_model_it_is_counted_as_transitions(call: Call) -> None:
    without = call.pushed(person="none").finalise()
    transitions = call.pushed(method="transitions").finalise()
    assert without.room.tobytes() == transitions.room.tobytes()
    assert without.report["warnings"] == ["no person model: counted as transitions"]
    assert without.report["person"] == {
        "model": "none",
        "every": 4,
        "frames_searched": 0,
        "frames_without_person": 0,
        "frames_people_counted": 0,
        "frames_with_several_people": 0,
    }
    assert transitions.report["warnings"] == []
    assert transitions.report["person"] is None
    assert without.report["parameters"]["slots"] == transitions.report["parameters"]["slots"] == 5


def test_a_state_without_a_model_can_be_loaded(call: Call, tmp_path: Path) -> None:
    engine = call.pushed(person="none")
    engine.save(tmp_path / "call.npz")
    loaded = Engine.load(tmp_path / "call.npz")
    assert loaded.parameters == engine.parameters.__class__(**engine.parameters.as_dict())
    assert_same(loaded.finalise(), engine.finalise())


@pytest.mark.parametrize("person", ["lite", "none"])
def test_preparing_counts_nothing(person: Any) -> None:
    if person != "none":
        pytest.importorskip("ai_edge_litert")
    assert prepare("farend", person=person) >= 0


def test_chunks_of_another_size_are_refused_before_the_search(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchers = watch(monkeypatch, call, every=1)
    engine = call.pushed()
    other = Layout(HEIGHT, WIDTH - 2)
    with pytest.raises(IncompatibleTable, match="does not fit"):
        engine.update(Chunk(other.empty(1), np.zeros(1), other))
    assert not watchers


@pytest.mark.parametrize(
    "wrong",
    [
        {"person": "medium"},
        {"person": ""},
        {"person_every": 0},
        {"person_every": 2**31},
        {"method": "far"},
    ],
)
def test_what_is_outside_its_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Engine(2, 2, **wrong)
    assert str(caught.value).startswith(f"{next(iter(wrong))}: ")


class Leaky:
    """A segmenter that now and then takes a part of the room for the person."""

    LEAK = np.s_[20:90, 20:80]

    def __init__(self) -> None:
        self._network = Segmenter("selfie", threads=1)
        self._n_asked = 0

    def mask(self, picture: Array) -> FixedMask:
        """Let the network find the person."""
        probability = self._network.mask(picture).at(*picture.shape[:2])
        if self._n_asked % 20 < 6:
            probability[self.LEAK] = 1
        self._n_asked += 1
        return FixedMask(probability)


def test_a_simulated_call_is_recovered(tmp_path: Path) -> None:
    """The whole road with a real network: an astronaut sways, and the room leaks beside her."""
    pytest.importorskip("ai_edge_litert")
    made = simulate_call(
        tmp_path / "call",
        ASTRONAUT,
        height=180,
        width=320,
        n_frames=100,
        scale=0.7,
        segmenter=Leaky(),
        threads=1,
    )
    recovery = unveil.recover(made.call, person_every=2, threads=1)
    assert recovery.report["person"]["frames_searched"] == 50
    assert recovery.report["person"]["frames_without_person"] < 5
    truth = Truth.read(made.truth)
    assert truth.strong[Leaky.LEAK].all()
    found = right(recovery, truth.room)
    assert found[Leaky.LEAK].mean() > 0.7


# The command


def test_options_of_the_command(tmp_path: Path) -> None:
    call = write_call(tmp_path / "call.mp4")
    done = command("recover", call, "-o", tmp_path / "out", "--person", "none")
    assert done.exit_code == 0
    assert "no person model: counted as transitions" in done.stderr
    recovery = unveil.recover(call, method="transitions")
    saved = (tmp_path / "out" / "call" / "room.png").read_bytes()
    recovery.save(tmp_path / "twin")
    assert (tmp_path / "twin" / "room.png").read_bytes() == saved
    for wrong, option in (("medium", "--person"), ("0", "--person-every")):
        refused = command("recover", call, "-o", tmp_path / "x", option, wrong)
        assert refused.exit_code == 2
        assert option in refused.stderr


def test_a_call_without_a_person_is_told(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    call = write_call(tmp_path / "call.mp4")
    done = command("recover", call, "-o", tmp_path / "out", "--method", "farend")
    assert done.exit_code == 0
    assert "no person was found in any frame" in done.stderr
