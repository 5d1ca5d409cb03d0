"""The person's edge: the room that `protect` and services show, by the exact matte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.countermeasures.attacks import all_attacked
from bench.countermeasures.calls import BIT_RATE, FOLDER, HEIGHT, WIDTH, Simulator
from bench.matte import decoded
from unveil.person import ModelName, Segmenter
from unveil.protection import Protector
from unveil.protection.frames import empty_frame
from unveil.protection.parameters import ProtectModel
from unveil.protection.protector import DetectionFailed
from unveil.scoring.truth import Truth
from unveil.simulation.composition import Tally
from unveil.simulation.scenes import landscape
from unveil.simulation.service import Service, replace_background
from unveil.video.rgb_reader import VideoPictures
from unveil.video.writer import VideoWriter

U8 = npt.NDArray[np.uint8]

BEST_ATTACKS: Final = ("default", "default, background given", "`transitions`")


@dataclass(frozen=True, slots=True)
class Edge:
    """A way to cut out the person; with `recipe`, as meeting software does it.

    With `other`, a pixel shows what the masks of both networks show: the smaller opacity. No option
    of `protect` does so yet.
    """

    model: ProtectModel
    edge: float = 0.6
    smooth: int = 3
    careful: bool = False
    recipe: bool = False
    is_attacked: bool = False
    other: ProtectModel | None = None

    @property
    def title(self) -> str:
        """Name in the table."""
        if self.recipe:
            return f"a service's recipe with `{self.model}`"
        if self.other is not None:
            first = replace(self, other=None).title
            return f"what {first} and the same with `{self.other}` both show"
        words = f"`--model {self.model} --edge {self.edge:g} --smooth {self.smooth}"
        return f"{words} --careful`" if self.careful else f"{words}`"


RECIPES: Final = (
    Edge("selfie", recipe=True, is_attacked=True),
    Edge("selfie-landscape", recipe=True, is_attacked=True),
)

EDGES: Final = (
    *RECIPES,
    Edge("auto", is_attacked=True),
    Edge("auto", smooth=1),
    Edge("auto", smooth=9),
    Edge("auto", 0.8),
    Edge("auto", 0.5, careful=True),
    Edge("auto", careful=True, is_attacked=True),
    Edge("auto", 0.7, careful=True, is_attacked=True),
    Edge("auto", smooth=1, careful=True),
    Edge("selfie-landscape"),
    Edge("selfie-landscape", 0.4, careful=True),
    Edge("selfie-landscape", 0.5, careful=True, is_attacked=True),
    Edge("selfie-landscape", careful=True),
    Edge("full"),
    Edge("full", 0.5, careful=True),
    Edge("full", careful=True),
    Edge("selfie"),
    Edge("selfie", careful=True),
    Edge("selfie", 0.3, careful=True, other="selfie-landscape"),
    Edge("selfie", 0.4, careful=True, other="selfie-landscape"),
    Edge("selfie", 0.5, careful=True, is_attacked=True, other="selfie-landscape"),
    Edge("selfie", 0.6, careful=True, other="selfie-landscape"),
)


def measured(simulator: Simulator, edges: Sequence[Edge], threads: int) -> Iterator[dict[str, Any]]:
    """Cut out the person of a call in each way; yield a row for each."""
    simulated = simulator.simulated("landscape", "camera", camera_only=True)
    assert simulated.camera is not None
    assert simulated.matte is not None
    pictures = list(VideoPictures(simulated.camera))
    mattes = np.stack([matte[..., 0] for matte in VideoPictures(simulated.matte)])
    shown = _Shown(simulated.camera, threads)
    room = Truth.read(simulated.truth).room
    behind = landscape(HEIGHT, WIDTH, 0)
    for edge in edges:
        alphas = _by_recipe(edge, pictures) if edge.recipe else shown.by(edge)
        row: dict[str, Any] = {"call": simulator.name, "frames": len(pictures), "edge": edge.title}
        row |= areas(alphas, mattes)
        if edge.is_attacked:
            truth, call = _composited(simulator.name, pictures, alphas, mattes, room, behind)
            outcomes = all_attacked(BEST_ATTACKS, call, truth, behind, threads)
            best = max(outcomes.values(), key=lambda outcome: outcome.f)
            row |= {"f": best.f, "right": max(o.right for o in outcomes.values())}
        yield row


def areas(alphas: npt.NDArray[np.uint8], mattes: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Compare opacities with mattes, both (n, h, w) uint8.

    Returns
    -------
    `room`, `worst_room`: the share of the room's area that shows, in the mean and in the worst
    frame. `cut`: the share of the person's area that does not show, in the median frame. Half an
    opacity counts half. `strong`: the share of all pixels that leak strongly, as in `Truth`.
    """
    room, person = mattes == 0, mattes == 255
    share = alphas / np.float32(255)
    shown = (share * room).sum(axis=(1, 2)) / np.maximum(room.sum(axis=(1, 2)), 1)
    hidden = ((1 - share) * person).sum(axis=(1, 2)) / np.maximum(person.sum(axis=(1, 2)), 1)
    strong = ((share > 0.9) & room).sum(axis=0) >= 2
    return {
        "room": float(shown.mean()),
        "worst_room": float(shown.max()),
        "cut": float(np.median(hidden)),
        "strong": float(strong.mean()),
    }


class _Shown:
    """Opacities of `protect` on one camera; the masks of a model are computed once."""

    def __init__(self, camera: Path, threads: int) -> None:
        self._frames, _, self._layout = decoded(camera, 0, 10**6)
        self._threads = threads
        self._masks: dict[tuple[str, float], list[Any]] = {}

    def by(self, edge: Edge) -> U8:
        """Return the opacity of each frame, (n, h, w)."""
        if edge.other is not None:
            first, second = replace(edge, other=None), replace(edge, model=edge.other, other=None)
            return np.minimum(self.by(first), self.by(second))
        options: dict[str, Any] = {"model": edge.model, "edge": edge.edge, "smooth": edge.smooth}
        # The masks of "auto" depend on the edge.
        key = edge.model, edge.edge if edge.model == "auto" else 0.0
        with Protector(
            "remove", transparent=True, careful=edge.careful, threads=self._threads, **options
        ) as protector:
            if key not in self._masks:
                self._masks[key] = [
                    protector.detect_person(planes, self._layout) for planes in self._frames
                ]
            alphas = []
            for planes, detection in zip(self._frames, self._masks[key], strict=True):
                assert not isinstance(detection, DetectionFailed)
                _, target = empty_frame(self._layout, alpha=True)
                protector.compose(planes, self._layout, detection, target, 0.0)
                alphas.append(target[3][:, : self._layout.width].copy())
        return np.stack(alphas)


def _by_recipe(edge: Edge, pictures: Sequence[U8]) -> U8:
    """Return the masks of a service as VADER's authors describe it: the mask is the opacity."""
    model: ModelName = "selfie" if edge.model == "selfie" else "selfie-landscape"
    service = Service(Segmenter(model), blur="bilateral")
    return np.stack([service.mask(picture) for picture in pictures])


def _composited(
    name: str, pictures: Sequence[U8], alphas: U8, mattes: U8, room: U8, behind: U8
) -> tuple[Truth, Path]:
    """Write the call that the opacities give, and count its leaks."""
    tally = Tally(room, behind)
    path = FOLDER / name / "protected.mp4"
    with VideoWriter(path, height=HEIGHT, width=WIDTH, frame_rate=30, bit_rate=BIT_RATE) as writer:
        for picture, alpha, matte in zip(pictures, alphas, mattes, strict=True):
            tally.count(alpha, matte)
            writer.write(replace_background(picture, behind, alpha))
    return tally.truth(), path
