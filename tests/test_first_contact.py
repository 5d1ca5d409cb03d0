"""What a newcomer tries first works without an option: the default decides as the call suggests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import unveil
from tests import DATA
from tests.command import unveil as command
from tests.demo.test_run import use_small_calls
from tests.sitter import HEIGHT, INSIDE, SKIN, WIDTH, Watcher, seated
from unveil import Engine
from unveil.files import write_png
from unveil.person import Mask
from unveil.recovery.parameters import Method
from unveil.recovery.result import Recovery
from unveil.simulation.ideal import DemoCall, Kind, make_call
from unveil.video.writer import VideoWriter

Array = npt.NDArray[Any]

FRAMES, ROWS, COLUMNS = 120, 135, 240


def small(kind: Kind) -> DemoCall:
    return make_call(kind, height=ROWS, width=COLUMNS, n_frames=FRAMES)


def written(call: DemoCall, path: Path) -> Path:
    with VideoWriter(path, height=ROWS, width=COLUMNS, frame_rate=30, crf=4) as video:
        for frame in call.frames():
            video.write(frame)
    return path


def written_gif(call: DemoCall, path: Path) -> Path:
    """Write a GIF, each frame in the 256 colours that suit it best."""
    first, *others = (Image.fromarray(frame).quantize(256) for frame in call.frames())
    first.save(path, save_all=True, append_images=others, duration=30, loop=0)
    return path


def recovered(call: Path, truth: Path, out: Path) -> dict[str, Any]:
    """Recover and score by the commands, and return the report with the score."""
    done = command("recover", call, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert f"unveil: {call.name}: nobody was found in the" in done.stderr
    scored = command("score", out / call.stem, "--truth", truth, "--json")
    assert scored.exit_code == 0, scored.stderr
    report = json.loads((out / call.stem / "report.json").read_text())
    return {**report, "score": json.loads(scored.stdout)}


def assert_decided_by_transitions(report: dict[str, Any]) -> None:
    n_searched = -(-report["frames_read"] // 4)
    assert report["score"]["verification"]["accuracy"] > 0.95
    assert report["score"]["coverage"] > 0.95
    assert report["parameters"]["method"] == "auto"
    assert report["parameters"]["slots"] == 5
    assert report["decided_by"] == "transitions"
    assert report["person"]["frames_searched"] == n_searched
    assert report["person"]["frames_without_person"] == n_searched
    assert len(report["warnings"]) == 1


# Calls that show nobody


def test_the_demonstration_is_recovered_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    use_small_calls(monkeypatch)
    folder = tmp_path / "unveil-demo"
    assert command("demo", "-o", folder).exit_code == 0
    report = recovered(folder / "call.mp4", folder / "true_room.png", tmp_path / "out")
    assert_decided_by_transitions(report)
    for name in ("room.png", "background.png"):
        by_demo = (folder / "call" / name).read_bytes()
        assert (tmp_path / "out" / "call" / name).read_bytes() == by_demo


@pytest.mark.parametrize("kind", ["plain", "photo", "noise-frame"])
def test_every_kind_of_ideal_call_is_recovered(tmp_path: Path, kind: Kind) -> None:
    pytest.importorskip("ai_edge_litert")
    call = small(kind)
    write_png(tmp_path / "room.png", call.room)
    video = written(call, tmp_path / "call.mp4")
    report = recovered(video, tmp_path / "room.png", tmp_path / "out")
    assert_decided_by_transitions(report)
    twin = unveil.recover(video, method="transitions")
    twin.save(tmp_path / "twin")
    for name in ("room.png", "background.png"):
        ours = (tmp_path / "out" / "call" / name).read_bytes()
        assert ours == (tmp_path / "twin" / name).read_bytes()


def test_a_gif_is_recovered(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    call = small("plain")
    write_png(tmp_path / "room.png", call.room)
    video = written_gif(call, tmp_path / "call.gif")
    report = recovered(video, tmp_path / "room.png", tmp_path / "out")
    assert_decided_by_transitions(report)


def test_the_timeline_shows_room_and_background(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    call = small("plain")
    video = written(call, tmp_path / "call.mp4")
    strip = unveil.draw_timeline(video, [(100, 60), (200, 90)], tmp_path / "strip.png")
    for (x, y), background, room in zip(strip.at, strip.background, strip.room, strict=True):
        assert background[3] > 0
        assert room[3] > 0
        assert np.abs(background[:3].astype(int) - call.background[y, x]).max() <= 12
        assert np.abs(room[:3].astype(int) - call.room[y, x]).max() <= 30


def test_a_background_given_is_not_used_where_nobody_is(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    call = small("plain")
    video = written(call, tmp_path / "call.mp4")
    given = unveil.recover(video, background=call.background)
    without = unveil.recover(video)
    assert given.room.tobytes() == without.room.tobytes()
    assert given.report["background_match"] is None
    assert [text for text in given.report["warnings"] if "was not used" in text]
    assert not [text for text in without.report["warnings"] if "was not used" in text]


def test_a_portrait_in_the_background_is_nobody(tmp_path: Path) -> None:
    """The network finds a person in a picture, before which a bar crosses."""
    pytest.importorskip("ai_edge_litert")
    from unveil.simulation import ideal

    call = small("photo")
    behind = Image.fromarray(call.background)
    with Image.open(DATA / "astronaut.png") as image:
        portrait = image.convert("RGBA").resize((110, 110))
    behind.paste(portrait, (65, 25), portrait)
    background = np.array(behind)
    frames = ideal._bar_frames(call.room, background, FRAMES)
    video = tmp_path / "call.mp4"
    with VideoWriter(video, height=ROWS, width=COLUMNS, frame_rate=30, crf=4) as writer:
        for frame in frames:
            writer.write(frame)
    recovery = unveil.recover(video)
    assert recovery.report["person"]["frames_without_person"] < 0.5 * FRAMES / 4
    assert recovery.report["decided_by"] == "transitions"
    assert "a person who moves was found in only" in recovery.report["warnings"][0]
    assert recovery.report["coverage"] > 0.8


# Calls that show a person

PERSON_COMES = 1500
"""After a minute of 25 frames/s."""
PERSON_STAYS = 100
LEAK = np.s_[20:50, 20:30]
ROOM = (230, 200, 60)


def late_call() -> Iterator[Array]:
    """Show a background for a minute, then a person beside whom the room leaks now and then."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    background = np.stack([40 + y, 60 + x, 150 - y], -1).astype(np.uint8)
    rng = np.random.default_rng(0)
    for number in range(PERSON_COMES + PERSON_STAYS):
        shown = background.copy()
        if number >= PERSON_COMES:
            body = shown[HEIGHT // 4 :, WIDTH // 3 : 2 * WIDTH // 3]
            body[...] = SKIN + rng.integers(-20, 21, body.shape)
            if number % 10 < 4:
                shown[LEAK] = ROOM
        yield shown


def nobody() -> Mask:
    nothing = np.zeros((16, 24), np.float32)
    return Mask(nothing, seated().to_mask, HEIGHT, WIDTH, 0.0, landmarks=None)


def sees_from(monkeypatch: pytest.MonkeyPatch, first_search: int) -> None:
    """Let stand-ins for the networks find the person from the n-th search of the first on."""

    def make(model: str, threads: int) -> Watcher:
        first = first_search if model == "lite" else 0
        return Watcher(lambda number: nobody() if number < first else seated())

    monkeypatch.setattr("unveil.person.blocks.Segmenter", make)


def pushed(monkeypatch: pytest.MonkeyPatch, method: Method, threads: int = 1) -> Recovery:
    sees_from(monkeypatch, PERSON_COMES // 4)
    engine = Engine(HEIGHT, WIDTH, method=method, threads=threads)
    for frame in late_call():
        engine.push(frame)
    return engine.finalise()


def assert_same_but_for_the_method(a: Recovery, b: Recovery) -> None:
    assert a.room.tobytes() == b.room.tobytes()
    assert a.background.tobytes() == b.background.tobytes()
    assert a.confidence.tobytes() == b.confidence.tobytes()
    assert a.stats.equals(b.stats)
    told = [{**r.report, "parameters": {**r.report["parameters"], "method": ""}} for r in (a, b)]
    assert told[0] == told[1]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_person_who_comes_after_a_minute_is_found(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """Frames are pushed once, as those of a stream."""
    recovery = pushed(monkeypatch, "auto", threads)
    assert recovery.report["decided_by"] == "farend"
    assert recovery.report["person"]["frames_without_person"] == PERSON_COMES // 4
    assert recovery.report["warnings"] == []
    room = recovery.room[LEAK]
    assert (room[..., 3] > 0).mean() > 0.95
    assert np.abs(room[..., :3].astype(int) - ROOM).max() <= 6
    assert not recovery.room[INSIDE][..., 3].any()
    assert_same_but_for_the_method(recovery, pushed(monkeypatch, "farend"))


def test_what_is_shown_meanwhile_suits_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    sees_from(monkeypatch, PERSON_COMES // 4)
    engine = Engine(HEIGHT, WIDTH)
    decided = {}
    for number, frame in enumerate(late_call()):
        engine.push(frame)
        if number + 1 in (1, 400, PERSON_COMES, PERSON_COMES + 25, PERSON_COMES + 40):
            decided[number + 1 - PERSON_COMES] = engine.finalise().report["decided_by"]
    assert list(decided.values()) == [*4 * ["transitions"], "farend"]


def test_halves_are_merged_and_saved_in_between(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The halves meet while the person has been seen for too short a time in either."""
    seam = PERSON_COMES + 20
    engines = []
    for first, end, seen_from in (
        (0, seam, PERSON_COMES // 4),
        (seam, seam + 28, 0),
        (seam + 28, PERSON_COMES + PERSON_STAYS, 0),
    ):
        sees_from(monkeypatch, seen_from)
        engine = Engine(HEIGHT, WIDTH)
        for number, frame in enumerate(late_call()):
            if first <= number < end:
                engine.push(frame)
        engines.append(engine)
    begun, middle, rest = engines
    assert begun.finalise().report["decided_by"] == "transitions"
    begun.save(tmp_path / "begun.npz")
    loaded = Engine.load(tmp_path / "begun.npz", threads=1)
    assert loaded.parameters.method == "auto"
    loaded.merge(middle)
    assert loaded.finalise().report["decided_by"] == "farend"
    loaded.merge(rest)
    recovery = loaded.finalise()
    assert loaded.n_frames == PERSON_COMES + PERSON_STAYS
    assert recovery.report["decided_by"] == "farend"
    assert (recovery.room[LEAK][..., 3] > 0).mean() > 0.95


def test_a_stretch_that_moves_is_none_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sees_from(monkeypatch, 10**9)
    engine = Engine(HEIGHT, WIDTH)
    for number, frame in enumerate(late_call()):
        if number < 100:
            engine.push(frame)
    recovery = engine.finalise()
    assert recovery.report["background"] is None
    assert engine.stretches == ()


# What is told


@pytest.mark.parametrize(
    ("choice", "decided_by", "said"),
    [
        ({}, "transitions", "nobody was found in the 5 searched frames"),
        ({"method": "farend"}, "farend", "no person was found in any frame"),
        ({"method": "transitions"}, "transitions", None),
        ({"method": "rarest"}, "rarest", None),
        ({"person": "none"}, "transitions", "no person model: counted as transitions"),
        (
            {"method": "farend", "person": "none"},
            "transitions",
            "no person model: counted as transitions",
        ),
    ],
)
def test_the_report_tells_what_decided(
    monkeypatch: pytest.MonkeyPatch, choice: dict[str, Any], decided_by: str, said: str | None
) -> None:
    sees_from(monkeypatch, 10**9)
    engine = Engine(HEIGHT, WIDTH, **choice)
    for number, frame in enumerate(late_call()):
        if number < 20:
            engine.push(frame)
    report = engine.finalise().report
    assert report["decided_by"] == decided_by
    assert report["parameters"]["method"] == choice.get("method", "auto")
    warnings = report["warnings"]
    assert len(warnings) == (said is not None)
    assert all(text.startswith(str(said)) for text in warnings)


@pytest.mark.parametrize(
    ("person", "said"), [("auto", "all that the model selfie-landscape marks"), ("full", "faces")]
)
@pytest.mark.parametrize("people", [1, 2, None])
@pytest.mark.parametrize("method", ["auto", "farend"])
def test_several_people_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, people: int | None, method: Method, person: Any, said: str
) -> None:
    """In a gallery the model follows one of them; that is looked at in every 64th search."""

    class Gallery(Watcher):
        def count_people(self, planes: Any, layout: Any) -> int | None:
            return people

    monkeypatch.setattr("unveil.person.blocks.Segmenter", lambda model, threads: Gallery())
    engine = Engine(HEIGHT, WIDTH, method=method, person=person, person_every=1)
    for number, frame in enumerate(late_call()):
        if number >= PERSON_COMES:
            engine.push(frame)
    report = engine.finalise().report
    assert report["person"]["frames_people_counted"] == (0 if people is None else 2)
    assert report["person"]["frames_with_several_people"] == (2 if people == 2 else 0)
    warned = [text for text in report["warnings"] if "several people" in text]
    assert len(warned) == (people == 2)
    if warned:
        assert "2 of 2 frames" in warned[0]
        assert said in warned[0]
