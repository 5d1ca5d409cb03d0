"""Parameters of a resisting background: what is refused, and by which name."""

from __future__ import annotations

from typing import Any

import pytest

from unveil.errors import InvalidParameter
from unveil.shielding import ShieldParameters


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"kind": ""}, "kind"),
        ({"kind": "grain"}, "kind"),
        ({"kind": "drift+"}, "kind"),
        ({"kind": "drift+drift"}, "kind"),
        ({"seconds": 0.5}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": 3601}, "seconds"),
        ({"fps": 0.5}, "fps"),
        ({"fps": 121}, "fps"),
        ({"strength": 0}, "strength"),
        ({"strength": 11}, "strength"),
        ({"seed": -1}, "seed"),
        ({"height": 30}, "height"),
        ({"height": 101}, "height"),
        ({"width": 4098}, "width"),
        ({"width": 641}, "width"),
        ({"noise_share": 1.1}, "noise_share"),
        ({"noise_size": 0}, "noise_size"),
        ({"noise_every": 0.5}, "noise_every"),
        ({"accumulate": True}, "accumulate"),
        ({"accumulate": True, "kind": "drift+frames"}, "accumulate"),
    ],
)
def test_values_out_of_range(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{name}: "):
        ShieldParameters(**changes)


def test_kinds_have_one_order() -> None:
    assert ShieldParameters(kind="frames+drift").kinds == ("drift", "frames")
    assert ShieldParameters(kind="drift+frames").kinds == ("drift", "frames")


def test_length_in_frames() -> None:
    assert ShieldParameters(seconds=2, fps=12.5).n_frames == 25
    assert ShieldParameters(seconds=1, fps=1).n_frames == 1


def test_what_accumulates_jumps_at_the_end() -> None:
    assert ShieldParameters().loops
    assert not ShieldParameters(kind="pixels", accumulate=True).loops
