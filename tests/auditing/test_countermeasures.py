"""The table of what helps: sorted by effect, checked, and empty until something is measured."""

from __future__ import annotations

from typing import Any

import pytest

from unveil.auditing.countermeasures import countermeasures, read_countermeasures

CAREFUL = {
    "title": "Cut inside the person's edge",
    "remaining_share": 0.1,
    "cost": "Hair is cut.",
    "command": "unveil protect CALL -o OUT --mode blur",
}
WEAK = {**CAREFUL, "title": "Turn the light on", "remaining_share": 0.9}


def stored(*entries: dict[str, Any], measured: str = "On 3 calls.") -> dict[str, Any]:
    return {"measured": measured, "countermeasures": list(entries)}


def test_the_stored_table_can_be_read() -> None:
    shares = [one.remaining_share for one in countermeasures().all]
    assert shares == sorted(shares)


def test_the_most_effective_comes_first() -> None:
    found = read_countermeasures(stored(WEAK, CAREFUL))
    assert [one.title for one in found.all] == [CAREFUL["title"], WEAK["title"]]
    assert found.measured == "On 3 calls."


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("remaining_share", -0.1),
        ("remaining_share", "0.1"),
        ("remaining_share", True),
        ("remaining_share", float("nan")),
        ("title", ""),
        ("command", 3),
    ],
)
def test_a_wrong_figure_is_refused(changed: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"countermeasures\.json"):
        read_countermeasures(stored({**CAREFUL, changed: value}))


def test_figures_without_their_origin_are_refused() -> None:
    with pytest.raises(ValueError, match="measured"):
        read_countermeasures(stored(CAREFUL, measured=""))
