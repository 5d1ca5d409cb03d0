"""Settings: every change is checked, and only what a protector is made of needs a new one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unveil.errors import InvalidParameter
from unveil.live.backgrounds import Backgrounds
from unveil.live.settings import LIVE_MODELS, MODES, LiveSettings

BACKGROUNDS = Backgrounds()


def test_a_change_leaves_the_other_settings() -> None:
    before = LiveSettings(edge=0.7, blur=30)
    after = before.changed({"mode": "replace", "background": "#102030"}, BACKGROUNDS)
    assert after == replace(before, mode="replace", background="#102030")
    assert before.changed({}, BACKGROUNDS) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", LIVE_MODELS)
def test_every_mode_with_every_model(mode: str, model: str) -> None:
    chosen = LiveSettings().changed({"mode": mode, "model": model, "blur": 8}, BACKGROUNDS)
    parameters = chosen.parameters(BACKGROUNDS)
    assert parameters.chosen_mode == mode
    assert parameters.model == model
    assert parameters.blur == (8 if mode == "blur" else None)
    assert (parameters.background is None) == (mode != "replace")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", [{"blur": 2}, {"blur": 1001}, {"background": "none"}])
def test_a_value_is_checked_in_every_mode(mode: str, change: dict[str, object]) -> None:
    """So that a later change of the mode cannot fail."""
    with pytest.raises(InvalidParameter):
        LiveSettings().changed({"mode": mode, **change}, BACKGROUNDS)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"matrix": "bt709"}, True),
        ({"background": "dusk"}, True),  # not shown in mode blur
        ({"blur": 20}, False),
        ({"edge": 0.5}, False),
        ({"smooth": 9}, False),
        ({"model": "lite"}, False),
        ({"mode": "remove"}, False),
    ],
)
def test_what_needs_no_new_protector(change: dict[str, object], same: bool) -> None:
    before = LiveSettings("blur")
    assert (before.changed(change, BACKGROUNDS).choice == before.choice) is same


def test_integers_are_numbers_and_truths_are_none() -> None:
    for value in (True, "1", None, [], {}, float("nan"), float("inf"), 10**400):
        with pytest.raises(InvalidParameter, match=r"^edge: "):
            LiveSettings().changed({"edge": value}, BACKGROUNDS)
    with pytest.raises(InvalidParameter, match="edge: 1 is outside"):
        LiveSettings().changed({"edge": 1}, BACKGROUNDS)
