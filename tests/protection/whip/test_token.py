"""Where the token comes from, and that no message has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unveil.errors import InvalidParameter, MissingInput
from unveil.protection.whip.token import VARIABLE, read_token


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    "content", [b"s3cr3t", b"s3cr3t\n", b"  s3cr3t\r\n\r\n", b"\xef\xbb\xbfs3cr3t\n"]
)
def test_a_file_gives_the_token_without_space_around_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    assert read_token(tmp_path / "token") == "s3cr3t"


def test_the_environment_gives_the_token_unless_a_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_token() is None
    monkeypatch.setenv(VARIABLE, "")
    assert read_token() is None
    monkeypatch.setenv(VARIABLE, "from-environment\n")
    assert read_token() == "from-environment"
    (tmp_path / "token").write_text("from-file")
    assert read_token(tmp_path / "token") == "from-file"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"s3cr3t s3cr3t", "is no token"),
        (b"s3cr3t\ns3cr3t", "is no token"),
        (b"s3cr3t\r\nX-Header: s3cr3t", "is no token"),
        (b"s3cr3t\x00", "is no token"),
        ("s3cr3t-é".encode(), "is no token"),
        (b"s3cr3t\xff", "is no token"),
        (b"s3cr3t" * 10_000, "is too long"),
    ],
)
def test_what_is_no_token_is_not_repeated(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(InvalidParameter, match=rf"token: {said}") as caught:
        read_token(tmp_path / "token")
    assert "s3cr3t" not in str(caught.value)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "s3cr3t s3cr3t")
    with pytest.raises(InvalidParameter, match=VARIABLE) as caught:
        read_token()
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", ".", "a\0b", "x" * 300])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingInput, match="the token cannot be read"):
        read_token(str(tmp_path / name))
