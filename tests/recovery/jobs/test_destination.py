"""Where results go: a folder that several processes make, claim and remove at once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from unveil.errors import OutputBusy, OutputUnwritable
from unveil.folder_lock import LOCK
from unveil.recovery.jobs import destination
from unveil.recovery.jobs.destination import claimed_folder


def remove_before_claims(monkeypatch: pytest.MonkeyPatch, *, times: int) -> list[Path]:
    """Remove folders as another process does that has made them and leaves nothing there."""
    removed: list[Path] = []
    claimed = destination.claimed

    def claimed_too_late(folder: Path, names: list[str]) -> AbstractContextManager[frozenset[str]]:
        if len(removed) < times:
            folder.rmdir()
            removed.append(folder)
        return claimed(folder, names)

    monkeypatch.setattr(destination, "claimed", claimed_too_late)
    return removed


def test_a_folder_that_another_process_removes_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    removed = remove_before_claims(monkeypatch, times=2)
    out = tmp_path / "new" / "out"
    with claimed_folder(out, iter(["call"])):
        assert removed == [out, out]
        assert (out / LOCK).exists()
        with pytest.raises(OutputBusy, match="Call"), claimed_folder(out, ["Call"]):
            pass
    assert not out.parent.exists()


def test_a_folder_that_is_always_removed_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remove_before_claims(monkeypatch, times=1000)
    with (
        pytest.raises(OutputUnwritable, match=r"No such file.*choose another folder"),
        claimed_folder(tmp_path / "out", ["call"]),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_is_not_tried_again(tmp_path: Path) -> None:
    entered = 0

    def fail() -> None:
        nonlocal entered
        with claimed_folder(tmp_path / "out", ["call"]):
            entered += 1
            raise OutputUnwritable("a result") from FileNotFoundError()

    with pytest.raises(OutputUnwritable, match="a result"):
        fail()
    assert entered == 1
