"""Tests of the model of a cluster: `python -m pytest bench/test_cluster_model.py`."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest

from bench.cluster_model import FREE, Cluster, Costs, part_of, predict, without_limits

NOTHING = Costs(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
COSTS = Costs(
    plan_seconds=2.0,
    count_seconds=8.0,
    merge_seconds=1.0,
    recover_seconds=3.0,
    copy_seconds=0.0,
    client_seconds=0.0,
    state_bytes=10**8,
)
WIDE = Cluster(10_000, 10_000, FREE, unlimited_states=True)


@pytest.mark.parametrize(("n_recordings", "n_segments"), [(1, 1), (1, 40), (5, 17)])
def test_one_core_takes_the_sum_of_all_costs(n_recordings: int, n_segments: int) -> None:
    predicted = predict(n_recordings, n_segments, COSTS, Cluster(1, 1, 1e9))
    alone = 2 + 8 * n_segments + 1 * (n_segments - 1) + 3
    assert predicted.seconds == pytest.approx(n_recordings * alone)
    assert predicted.core_seconds == pytest.approx(n_recordings * alone)
    assert predicted.efficiency == pytest.approx(1)
    assert predicted.link_share == 0


@pytest.mark.parametrize("n_segments", [1, 2, 16, 17, 40, 64])
def test_enough_cores_take_the_critical_path(n_segments: int) -> None:
    """Groups of 16 are merged from left to right side by side, then the groups."""
    arrival = 0.0
    total: float | None = None
    for first in range(0, n_segments, 16):
        size = min(16, n_segments - first)
        arrival = size - 1.0
        total = arrival if total is None else max(total, arrival) + 1
    assert total is not None
    predicted = predict(1, n_segments, COSTS, WIDE)
    assert predicted.seconds == pytest.approx(2 + 8 + total + 3)


def test_counting_alone_runs_in_rounds_of_the_cores() -> None:
    costs = replace(NOTHING, count_seconds=5.0)
    for n_cores in (2, 3, 7):
        cluster = Cluster(n_cores, 1, FREE, unlimited_states=True)
        assert predict(1, 20, costs, cluster).seconds == pytest.approx(5 * ceil(20 / n_cores))


def test_a_link_carries_one_state_after_the_other() -> None:
    """With machines of one core the states of a group queue for the link of one of them."""
    costs = replace(NOTHING, count_seconds=1.0, state_bytes=125_000_000)
    predicted = predict(1, 16, costs, Cluster(16, 1, 1e9))
    assert predicted.seconds == pytest.approx(1 + 15 * 1.0)
    assert predict(1, 16, costs, Cluster(16, 16, 1e9)).seconds == pytest.approx(1)
    assert predict(1, 16, costs, Cluster(16, 1, 1e10)).seconds == pytest.approx(1 + 1.5)


def test_the_client_submits_one_task_after_the_other() -> None:
    costs = replace(NOTHING, client_seconds=0.5)
    # plan, 10 segments, 9 merges, the last step
    assert predict(1, 10, costs, WIDE).seconds == pytest.approx(0.5 * 21)


def test_back_pressure_lets_no_more_states_wait_than_two_a_core() -> None:
    """Merging is slow: counting waits for it, so that both take turns instead of running ahead."""
    costs = replace(NOTHING, count_seconds=1.0, merge_seconds=100.0)
    held = predict(1, 16, costs, Cluster(4, 4, FREE))
    free = predict(1, 16, costs, Cluster(4, 4, FREE, unlimited_states=True))
    assert free.seconds == pytest.approx(2 + 15 * 100, abs=2)
    assert held.seconds >= free.seconds


def test_no_limit_makes_anything_slower() -> None:
    costs, cluster = replace(COSTS, copy_seconds=0.1, client_seconds=0.01), Cluster(32, 4, 1e9)
    limited = predict(3, 40, costs, cluster).seconds
    for name, (fewer_costs, wider) in without_limits(costs, cluster).items():
        # A greedy order may lose a little where it gains.
        assert predict(3, 40, fewer_costs, wider).seconds <= 1.02 * limited, name


def test_the_same_prediction_every_time() -> None:
    cluster = Cluster(13, 4, 1e9)
    assert predict(7, 33, COSTS, cluster) == predict(7, 33, COSTS, cluster)


@pytest.mark.parametrize("client_seconds", [0.0, 0.002, 0.05])
def test_a_part_of_a_large_cluster_is_as_efficient_as_the_whole(client_seconds: float) -> None:
    costs, cluster = replace(COSTS, client_seconds=client_seconds), Cluster(400, 4, 1e9)
    part, own, smaller = part_of(400, costs, cluster)
    assert (part, smaller.n_cores) == (100, 100)
    whole = predict(400, 20, costs, cluster).efficiency
    assert predict(part, 20, own, smaller).efficiency == pytest.approx(whole, rel=0.03)
