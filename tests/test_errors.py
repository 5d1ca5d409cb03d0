"""Errors in one line, and checks that name the parameter, its value and what is allowed."""

from __future__ import annotations

import math

import pytest

from unveil.errors import (
    InvalidParameter,
    MissingInput,
    check_choice,
    check_positive,
    check_range,
    explain,
)


@pytest.mark.parametrize("value", [2, 2.5, 3])
def test_what_is_inside_a_range(value: float) -> None:
    check_range("slots", value, 2, 3)


@pytest.mark.parametrize("value", [1, 1.999, 3.001, 4, math.nan, math.inf, -math.inf])
def test_what_is_outside_a_range(value: float) -> None:
    with pytest.raises(InvalidParameter, match=f"^slots: {value} is outside 2 to 3$"):
        check_range("slots", value, 2, 3)


@pytest.mark.parametrize("value", [0, -1, 0.5, math.nan])
def test_what_is_not_positive(value: float) -> None:
    check_positive("stride", 1)
    with pytest.raises(InvalidParameter, match=f"^stride: {value} is not a positive number$"):
        check_positive("stride", value)


@pytest.mark.parametrize("value", ["", "green", None])
def test_what_cannot_be_chosen(value: object) -> None:
    check_choice("colour", "blue", ("red", "blue"))
    with pytest.raises(InvalidParameter, match=f"^colour: {value!r} is not one of red, blue$"):
        check_choice("colour", value, ("red", "blue"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MissingInput("a.mp4: no such\n  file"), "a.mp4: no such file"),
        (MemoryError(), "not enough memory"),
        (MemoryError("3 GB"), "not enough memory (3 GB)"),
        (KeyError("a"), "KeyError: 'a'"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_an_error_is_explained_in_one_line(error: BaseException, line: str) -> None:
    assert explain(error) == line
