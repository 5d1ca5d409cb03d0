"""A small, fixed share of `bench.fuzz`, and what the fuzzer itself takes for a failure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from bench.fuzz import FORMATS, Fuzzer, inputs, mutated, samples

N_INPUTS = 96


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def fuzzer(tmp_path: Path) -> Iterator[Fuzzer]:
    made = Fuzzer(tmp_path, patience_seconds=120)
    yield made
    made.close()


def test_at_least_twelve_formats_are_mutated(made: dict[str, bytes]) -> None:
    assert len(made) >= 12
    assert made.keys() <= FORMATS.keys()


def test_mutations_are_the_same_for_a_seed_and_change_a_file(made: dict[str, bytes]) -> None:
    first = list(islice(inputs(made, 3), 20))
    assert list(islice(inputs(made, 3), 20)) == first
    assert list(islice(inputs(made, 3, 5), 15)) == first[5:]
    rng = np.random.default_rng(0)
    changed = sum(mutated(made["mp4"], rng) != made["mp4"] for _ in range(50))
    assert changed > 45


def test_whole_and_mutated_files_do_no_harm(made: dict[str, bytes], fuzzer: Fuzzer) -> None:
    for extension, content in made.items():
        assert fuzzer.run(f"whole.{extension}", content) is None
    assert fuzzer.outcomes == {"recovered": len(made)}
    failures = [fuzzer.run(*case) for case in islice(inputs(made, 1), N_INPUTS)]
    assert [failure for failure in failures if failure is not None] == []


def test_stray_files_are_a_failure(
    made: dict[str, bytes], fuzzer: Fuzzer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fuzzer._worker.run

    def run(*arguments: object) -> object:
        (tmp_path / "case" / "stray").write_text("x")
        return real(*arguments)

    monkeypatch.setattr(fuzzer._worker, "run", run)
    failure = fuzzer.run("whole.mp4", made["mp4"])
    assert failure is not None
    assert failure.why == "left files: ['out', 'stray']"
