"""Leftovers of killed processes are recognised by the names that `unveil.files` gives them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unveil.files import Replacement, Staging
from unveil.leftovers import TEMPORARY, remove_temporaries

NAMES = st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1)


@given(NAMES.filter(lambda name: name not in (".", "..")))
def test_every_temporary_name_is_recognised(name: str) -> None:
    replacement = Replacement(Path("/nowhere") / name[:60])
    assert TEMPORARY.fullmatch(replacement.temporary.name)
    replacement.discard()


def test_only_temporaries_are_removed(tmp_path: Path) -> None:
    for name in ("room.png", ".hidden", "a.part", ".call.part", ".x.12345678.part.txt.bak"):
        (tmp_path / name).write_text("kept")
    kept = {path.name for path in tmp_path.iterdir()}
    Replacement(tmp_path / "room.png").temporary.write_text("half")
    staging = Staging(tmp_path, "frames")
    staging.path("one.png").write_text("half")
    assert len(list(tmp_path.iterdir())) == len(kept) + 2
    remove_temporaries(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_temporaries(tmp_path / "missing")
