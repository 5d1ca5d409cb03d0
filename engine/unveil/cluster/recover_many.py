"""`recover_many`: recordings recovered by the workers of a Dask cluster.

A recording is planned by a worker, its segments are counted by all of them, and their states are
merged on the workers in a fixed order, so that the result is that of one machine. The client holds
no state: it submits a task when one before has ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from unveil.cluster.connection import LOCAL, connected
from unveil.cluster.schedule import Schedule
from unveil.cluster.tasks import Recording
from unveil.errors import InvalidParameter
from unveil.interruption import StopRequested, never
from unveil.progress import Progress
from unveil.recovery.background.picture import background_picture
from unveil.recovery.batch import Inputs, gather_inputs, opened_catalogue
from unveil.recovery.jobs.destination import destination_of
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.parameters import (
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
    check_tiles,
)
from unveil.remote import is_in_this_process
from unveil.video.source import Source

if TYPE_CHECKING:
    from distributed import Client


def recover_many(
    inputs: Inputs | Sequence[str | os.PathLike[str] | Source],
    out: str | os.PathLike[str],
    *,
    cluster: str = LOCAL,
    client: Client | None = None,
    workers: int | None = None,
    force: bool = False,
    skip_done: bool = True,
    tiles: TilesArgument = "auto",
    catalogue: str | os.PathLike[str] | None = None,
    on_start: Callable[[Source], object] | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    stop: StopRequested = never,
    **options: Unpack[RecoverKeywords],
) -> list[Outcome]:
    """Recover recordings on a Dask cluster, each into its own folder in `out`.

    Parameters
    ----------
    inputs
        As for `unveil.recovery.batch.recover_all`: files that all workers find under the same
        path, or addresses.
    out
        A folder that all workers share, or an address that fsspec can write to.
    cluster
        Address of a scheduler, or "local": processes of this machine.
    client
        A client of Dask's, used instead of `cluster` and left open.
    workers
        Processes of a local cluster; None: one for each core.
    force, skip_done, tiles, catalogue, options
        As for `recover_all`. Without `threads` each task uses one.
    on_start
        Called with a source when it is begun.
    progress
        Called with a source and its progress when a segment of a long recording is counted; the
        number of frames is estimated.
    on_outcome
        Called with the outcome of a source as soon as it is known, in the order in which they
        come.
    stop
        Returns whether to stop, see `unveil.interruption`.

    Returns
    -------
    outcomes
        One for each input, in their order: those that name nothing first. A recording that
        fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range, or an input or `out` cannot be shared with other processes.
    MissingInput, UnreadableImage
        The picture of the background cannot be read.
    MissingExtra
        Dask's scheduler, or fsspec, is not installed.
    ClusterUnreachable
        No scheduler answers.
    Interrupted, KeyboardInterrupt
        After `stop` or Ctrl-C; results that are complete remain, and `on_outcome` has been called
        for all sources.
    """
    gathered = inputs if isinstance(inputs, Inputs) else gather_inputs(inputs)
    chosen = RecoverOptions(**options)
    check_tiles(tiles, chosen)
    picture = background_picture(chosen.background, chosen)
    if picture is not None:
        options["background"] = picture  # a worker may not have the file
    destination_of(out)
    out = os.fspath(out)
    if is_in_this_process(out):
        raise InvalidParameter("out: the memory of this process is not that of the workers")
    for source in gathered.sources:
        if source.may_be_endless or is_in_this_process(source.url):
            raise InvalidParameter(
                f"{source.name}: a cluster cannot read it; give a file that all workers can read"
            )
    recordings = [
        Recording(
            source,
            out if "://" in out else str(Path(out).absolute()),
            options,
            tiles,
            force=force,
            skip_done=skip_done,
        )
        for source in gathered.sources
    ]
    connection: AbstractContextManager[Client]
    connection = nullcontext(client) if client is not None else connected(cluster, workers)
    outcomes = list(gathered.missing)
    with ExitStack() as stack:
        table = stack.enter_context(opened_catalogue(catalogue, gathered, force=force))

        def add(outcome: Outcome, row: int | None) -> None:
            if table is not None:
                table.add(outcome, row)
            if on_outcome is not None:
                on_outcome(outcome)

        for missing, row in zip(gathered.missing, gathered.missing_rows, strict=True):
            add(missing, row)
        if recordings:
            used = stack.enter_context(connection)
            schedule = Schedule(
                used,
                recordings,
                on_start,
                progress,
                lambda outcome: add(outcome, gathered.rows.get(outcome.stem or "")),
                stop,
            )
            outcomes += schedule.run()
    return outcomes
