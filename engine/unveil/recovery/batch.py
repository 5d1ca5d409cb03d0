"""Recovery of several inputs, each into its own folder; a failure stops no other input."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from unveil.errors import (
    InvalidParameter,
    MissingExtra,
    MissingInput,
    UnveilError,
    check_positive,
)
from unveil.interruption import StopRequested, never
from unveil.recovery.background.picture import background_picture
from unveil.recovery.jobs.destination import RemoteDestination, claimed_folder, destination_of
from unveil.recovery.jobs.identity import Identity, content_hash, parameters_hash
from unveil.recovery.jobs.job import FurtherFiles, Job, Save
from unveil.recovery.jobs.manifest import Manifest
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.jobs.schedule import Isolation, Schedule, default_workers
from unveil.recovery.parameters import (
    WATCHDOG_SECONDS,
    RecoverKeywords,
    RecoverOptions,
    TilesArgument,
    check_tiles,
)
from unveil.redaction import described
from unveil.video.source import Source, resolve_inputs

if TYPE_CHECKING:
    import pyarrow as pa

    from unveil.progress import Progress
    from unveil.recovery.jobs.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a batch.

    Attributes
    ----------
    sources
        Those that exist, with different stems.
    missing
        An outcome for each argument that names none.
    rows
        Row in the manifest by a source's stem.
    missing_rows
        The same for `missing`; None for an argument that is not of the manifest.
    columns
        Further columns of the manifest.
    """

    sources: Sequence[Source]
    missing: Sequence[Outcome] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    missing_rows: Sequence[int | None] = ()
    columns: pa.Table | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of sources and of arguments that name none."""
        return len(self.sources) + len(self.missing)


def gather_inputs(
    arguments: Sequence[str | os.PathLike[str] | Source], manifest: Manifest | None = None
) -> Inputs:
    """Resolve arguments, and the entries of a manifest, to sources.

    Parameters
    ----------
    arguments
        As for `unveil.video.source.resolve_inputs`. What is named twice is read once.
    manifest
        Its entries follow the arguments.
    """
    rows: dict[tuple[str, str | None], int] = {}
    found: list[Source] = []
    missing: list[Outcome] = []
    missing_rows: list[int | None] = []
    listed = [(argument, None) for argument in arguments]
    entries = () if manifest is None else manifest.entries
    for argument, row in [*listed, *((entry, row) for row, entry in enumerate(entries))]:
        try:
            sources = resolve_inputs([argument])
        except (MissingInput, MissingExtra) as error:
            name = argument.name if isinstance(argument, Source) else described(argument)
            missing.append(Outcome(name, "failed", error=error))
            missing_rows.append(row)
            continue
        found += sources
        if row is not None:
            for source in sources:
                rows.setdefault((source.url, source.format), row)
    resolved = resolve_inputs(found)
    by_stem = {s.stem: rows[key] for s in resolved if (key := (s.url, s.format)) in rows}
    columns = None if manifest is None else manifest.columns
    return Inputs(resolved, missing, by_stem, missing_rows, columns)


def recover_all(
    inputs: Inputs | Sequence[str | os.PathLike[str] | Source],
    out: str | os.PathLike[str],
    *,
    force: bool = False,
    skip_done: bool = True,
    tiles: TilesArgument = "auto",
    preview_seconds: float | None = None,
    isolate: bool | None = None,
    watchdog_seconds: float = WATCHDOG_SECONDS,
    max_memory: int | None = None,
    catalogue: str | os.PathLike[str] | None = None,
    on_start: Callable[[Source], object] | None = None,
    progress: Callable[[Source, Progress], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    save: Save | FurtherFiles | None = None,
    stop: StopRequested = never,
    workers: int | None = None,
    resume: bool = True,
    **options: Unpack[RecoverKeywords],
) -> list[Outcome]:
    """Recover each input into its own folder, named after the input, in `out`.

    Parameters
    ----------
    inputs
        As `gather_inputs` takes or returns them.
    out
        A folder, made if it is missing, or an address that fsspec opens.
    force
        Replace earlier results.
    skip_done
        Skip an input whose result in `out` was made from the same content, with the same
        parameters and by the same version. Otherwise an earlier result makes the input fail.
    tiles
        "auto": one recovery for each tile of a meeting, in tile-1, tile-2 and so on; "off": one of
        the whole picture; ROWSxCOLUMNS: of each tile of a grid. Previews: whole pictures only.
    preview_seconds
        Interval in seconds at which room.png and background.png are written during the run; None
        writes them at the end only. The first ones replace an earlier result.
    isolate
        Recover in a process of its own, so that a crash or a hang of FFmpeg is the failure of one
        input; None: if there are several inputs and `save` can be pickled. Devices, streams,
        pipes and fsspec's memory:// are read by this process all the same.
    watchdog_seconds
        Time without progress after which that process is ended.
    max_memory
        Bytes that all recoveries at the same time may use. A video whose frames need more is
        refused before memory is allocated; a process of its own cannot get more.
    catalogue
        Parquet file with a row for each input, written while the batch goes on.
    on_start
        Called with a source when it is begun.
    progress
        Called with a source and its progress.
    on_outcome
        Called with the outcome of a source as soon as it is known, in the order in which they
        come.
    save
        Writes what was recovered from a source into its folder, in which it replaces an earlier
        result; None: its own `save`. With `FurtherFiles`, a result without them is made anew, and
        the catalogue has their columns.
    stop
        Returns whether to stop, see `unveil.interruption`.
    workers
        Processes that decode and count at once, at most; they change no result. With `isolate`
        they recover several inputs side by side, each with its part of the threads and of
        `max_memory`. Inputs that are long enough to be cut into segments, or that need more than
        their part, follow one by one; a long one is counted by so many processes. None: one for
        each core that has 1 GiB of memory, with `max_memory` one; for a long input as for
        `unveil.recover`.
    resume
        As for `unveil.recover`; the checkpoint of a source is in `out`/.NAME.checkpoint, where
        NAME is `source.stem`, until its result is saved.
    options
        As in `RecoverOptions`.

    Returns
    -------
    outcomes
        One for each input: first of those that name nothing, then of the sources in their order.
        An input that fails does not stop the others.

    Raises
    ------
    InvalidParameter
        An option is out of range; no source was started.
    MissingInput, UnreadableImage
        The background's picture cannot be read; no source was started.
    OutputUnwritable
        `out` or the catalogue cannot be made or written.
    OutputExists
        The catalogue's file is something else, and `force` is not set; no source was started.
    OutputBusy
        Another process writes one of the results, or the catalogue, now; no source was started.
    MissingExtra
        `out` needs fsspec; no source was started.
    Interrupted, KeyboardInterrupt
        After `stop` or Ctrl-C, unless all sources have a result: one that ended a live source or a
        pipe raises if another source follows. `on_outcome` has been called for the unfinished
        sources and for those that were not started; finished results remain.
    """
    gathered = inputs if isinstance(inputs, Inputs) else gather_inputs(inputs)
    destination = destination_of(out)
    if preview_seconds is not None and isinstance(destination, RemoteDestination):
        raise InvalidParameter("preview_seconds: previews need a folder of this machine as OUT")
    chosen = _check(options, preview_seconds, tiles, watchdog_seconds, max_memory)
    if workers is not None:
        check_positive("workers", workers)
    sendable = _can_be_sent(save)
    if isolate and not sendable:
        raise InvalidParameter("isolate: `save` cannot be sent to another process; leave one out")
    isolation = None
    if len(gathered.sources) > 1 and sendable if isolate is None else isolate:
        n_workers = workers or default_workers(chosen.threads, max_memory)
        isolation = Isolation(n_workers, watchdog_seconds, max_memory)
    by_number: dict[int, Outcome] = {}
    with ExitStack() as stack:
        further = save if isinstance(save, FurtherFiles) else None
        table = stack.enter_context(opened_catalogue(catalogue, gathered, further, force=force))

        def tell(outcome: Outcome, row: int | None) -> None:
            if table is not None:
                table.add(outcome, row)
            if on_outcome is not None:
                on_outcome(outcome)

        def add(number: int, outcome: Outcome) -> None:
            by_number[number] = outcome
            tell(outcome, gathered.rows.get(gathered.sources[number].stem))

        stack.enter_context(destination.opened([source.stem for source in gathered.sources]))
        for missing, row in zip(gathered.missing, gathered.missing_rows, strict=True):
            tell(missing, row)
        Schedule(
            gathered.sources,
            lambda source: Job(
                source,
                destination.folder(source.stem),
                options=options,
                tiles=tiles,
                preview_seconds=preview_seconds,
                save=save,
                force=force,
                workers=workers,
                resume=resume,
                identity=identity_of(source, chosen, tiles) if skip_done else None,
            ),
            destination,
            add,
            on_start,
            progress,
            stop,
            max_memory,
            isolation,
        ).run()
    return [*gathered.missing, *(by_number[number] for number in sorted(by_number))]


@contextmanager
def opened_catalogue(
    path: str | os.PathLike[str] | None,
    inputs: Inputs,
    further: FurtherFiles | None = None,
    *,
    force: bool,
) -> Iterator[Catalogue | None]:
    """Claim and open the catalogue of a batch; None for none.

    `further` are files beside the recoveries that have columns of their own.

    Raises
    ------
    OutputUnwritable, OutputExists, OutputBusy
        As for `recover_all`.
    """
    if path is None:
        yield None
        return
    from unveil.recovery.jobs.catalogue import Catalogue

    folder, name = Path(path).absolute().parent, Path(path).name
    with (
        claimed_folder(folder, [name]),
        Catalogue(path, manifest=inputs.columns, further=further, force=force) as catalogue,
    ):
        yield catalogue


def identity_of(source: Source, options: RecoverOptions, tiles: TilesArgument) -> Identity:
    """Return what the result of a source is made from."""
    try:
        content = content_hash(source)
    except (UnveilError, OSError):  # whoever opens it says why
        content = None
    return Identity(content, parameters_hash(options, tiles))


def _can_be_sent(save: Save | FurtherFiles | None) -> bool:
    """Whether another process can have what writes the results."""
    try:
        pickle.dumps(save)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _check(
    options: RecoverKeywords,
    preview_seconds: float | None,
    tiles: TilesArgument,
    watchdog_seconds: float,
    max_memory: int | None,
) -> RecoverOptions:
    """Check the options before the first source is started."""
    chosen = RecoverOptions(**options)
    check_tiles(tiles, chosen)
    for name, seconds in (
        ("preview_seconds", preview_seconds),
        ("watchdog_seconds", watchdog_seconds),
    ):
        if seconds is not None and not seconds > 0:
            raise InvalidParameter(f"{name}: {seconds:g} is not a positive number")
    if max_memory is not None:
        check_positive("max_memory", max_memory)
    background_picture(chosen.background, chosen)
    return chosen
