"""The cluster that is used: one that runs, or processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from unveil.errors import ClusterUnreachable, InvalidParameter, MissingExtra, explain
from unveil.parallel import available_cores
from unveil.redaction import described

if TYPE_CHECKING:
    from distributed import Client

LOCAL: Final = "local"
"""Name of a cluster of processes of this machine."""

CONNECT_SECONDS: Final = 10


@contextmanager
def connected(cluster: str, workers: int | None = None) -> Iterator[Client]:
    """Connect to a scheduler; end what was started for it.

    Parameters
    ----------
    cluster
        Address of a scheduler, such as "tcp://10.0.0.1:8786", or `LOCAL`.
    workers
        Processes of a local cluster, with one thread each; None: one for each core.

    Raises
    ------
    MissingExtra
        Dask's scheduler is not installed.
    ClusterUnreachable
        There is no scheduler at the address.
    InvalidParameter
        `workers` is given for a cluster that runs.
    """
    if cluster != LOCAL and workers is not None:
        raise InvalidParameter(
            f"workers: the cluster at {described(cluster)} has its own; leave --workers out"
        )
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtra(
            f"cluster: Dask's scheduler cannot be loaded ({error}); "
            "install it: pip install 'unveil[cluster]'"
        ) from error
    if cluster == LOCAL:
        with (
            LocalCluster(
                n_workers=workers or available_cores(),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # any port; None would take 8787, and warn
                host="127.0.0.1",
            ) as started,
            Client(started) as client,
        ):
            yield client
        return
    try:
        client = Client(cluster, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterUnreachable(
            f"{described(cluster)}: no scheduler of Dask answers ({explain(error)}); check the "
            "address, or use local"
        ) from error
    with client:
        yield client
