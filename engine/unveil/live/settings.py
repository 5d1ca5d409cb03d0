"""`LiveSettings`: what the page may choose, checked before anything is built from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from unveil.errors import InvalidParameter, check_choice
from unveil.person import MODELS
from unveil.protection.parameters import (
    DEFAULT_EDGE,
    DEFAULT_SMOOTH,
    Mode,
    ProtectModel,
    ProtectParameters,
)

if TYPE_CHECKING:
    from unveil.live.backgrounds import Backgrounds

VideoMatrix: TypeAlias = Literal["bt601", "bt709"]

MODES: Final[tuple[Mode, ...]] = ("remove", "blur", "replace")
LIVE_MODELS: Final[tuple[ProtectModel, ...]] = ("auto", *MODELS)
MATRICES: Final[tuple[VideoMatrix, ...]] = ("bt601", "bt709")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Settings of the protection.

    Parameters
    ----------
    mode
        "remove" shows green, "blur" blurs the room, "replace" shows `background`.
    model, edge, smooth, careful
        As in `ProtectParameters`.
    background
        Id of a background, or a colour "#rrggbb".
    blur
        Radius of the blur in pixels; None chooses it by the height.
    matrix
        Luma matrix of the camera's frames; None chooses it by the height.
    """

    mode: Mode = "blur"
    model: ProtectModel = "auto"
    background: str = "wall"
    blur: int | None = None
    edge: float = DEFAULT_EDGE
    smooth: int = DEFAULT_SMOOTH
    matrix: VideoMatrix | None = None
    careful: bool = False

    def changed(self, change: Mapping[str, object], backgrounds: Backgrounds) -> LiveSettings:
        """Return the settings with some of them changed.

        Parameters
        ----------
        change
            Values by the names of the fields, as JSON gives them; they are not trusted.
        backgrounds
            Those that can be chosen.

        Raises
        ------
        InvalidParameter
            There is no such setting, or a value is not allowed.
        """
        unknown = sorted(map(str, change.keys() - _CHECKS.keys()))
        if unknown:
            raise InvalidParameter(
                f"settings: no setting is called {unknown[0]!r}; there are {', '.join(_CHECKS)}"
            )
        for name, value in change.items():
            if not _CHECKS[name](value):
                raise InvalidParameter(f"{name}: {_shown(value)} is not {_KINDS[name]}")
        changed: dict[str, Any] = dict(change)
        chosen = replace(self, **changed)
        check_choice("mode", chosen.mode, MODES)
        check_choice("model", chosen.model, LIVE_MODELS)
        if chosen.matrix is not None:
            check_choice("matrix", chosen.matrix, MATRICES)
        backgrounds.check(chosen.background)
        # The ranges are checked whatever the mode is: a later change of the mode cannot fail.
        ProtectParameters("blur", blur=chosen.blur)
        chosen.parameters(backgrounds)
        return chosen

    def parameters(self, backgrounds: Backgrounds) -> ProtectParameters:
        """Return what a `Protector` takes.

        Raises
        ------
        InvalidParameter
            A value is out of range, or there is no such background.
        """
        replaces, blurs = self.mode == "replace", self.mode == "blur"
        return ProtectParameters(
            self.mode,
            backgrounds.source(self.background) if replaces else None,
            self.blur if blurs else None,
            self.model,
            self.edge,
            self.smooth,
            careful=self.careful,
        )

    @property
    def choice(self) -> tuple[object, ...]:
        """The settings that a protector is made of: equal ones need no new protector."""
        background = self.background if self.mode == "replace" else None
        blur = self.blur if self.mode == "blur" else None
        return self.mode, self.model, background, blur, self.edge, self.smooth, self.careful

    def as_dict(self) -> dict[str, Any]:
        """Return all settings, ready for JSON."""
        return asdict(self)


def _is_number(value: object) -> bool:
    # JSON has NaN in Python, and integers that no float holds.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


_CHECKS: Final[Mapping[str, Callable[[object], bool]]] = {
    "mode": _is_text,
    "model": _is_text,
    "background": _is_text,
    "blur": lambda value: value is None or _is_integer(value),
    "edge": _is_number,
    "smooth": _is_integer,
    "matrix": lambda value: value is None or _is_text(value),
    "careful": lambda value: isinstance(value, bool),
}

_KINDS: Final = {
    "mode": "a text",
    "model": "a text",
    "background": "a text",
    "blur": "an integer or null",
    "edge": "a number",
    "smooth": "an integer",
    "matrix": "a text or null",
    "careful": "true or false",
}
