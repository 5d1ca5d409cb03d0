"""Where the results of a batch go: a folder of this machine, or one that fsspec opens."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from unveil import remote_claims
from unveil.errors import InvalidParameter, OutputExists, OutputUnwritable
from unveil.folder_lock import claimed
from unveil.recovery.jobs.job import Job, skipped, writable
from unveil.recovery.jobs.outcome import Outcome
from unveil.recovery.result import REPORT, is_further_folder, is_result_file
from unveil.redaction import described
from unveil.remote import PREFIX, RemoteFolder, goes_through_fsspec
from unveil.video.source import is_address

_MAX_REPORT_BYTES: Final = 64 * 2**20

_CLAIM_ATTEMPTS: Final = 10
"""How often a folder is made that others remove before it is claimed."""


Destination: TypeAlias = "LocalDestination | RemoteDestination"
"""Where results go; `opened` is entered before anything else is called."""


def destination_of(out: str | os.PathLike[str]) -> Destination:
    """Return the destination that a path or an address names.

    Raises
    ------
    InvalidParameter
        It is an address that nothing can be written to.
    MissingExtra, OutputUnwritable
        fsspec, or the library of the store, is not installed, or the address is not valid.
    """
    text = os.fspath(out)
    if goes_through_fsspec(text):
        return RemoteDestination(text)
    if is_address(text):
        raise InvalidParameter(
            f"out: {described(text)} is an address that FFmpeg reads; name a folder, or write "
            f"{PREFIX} before an address that fsspec can write to"
        )
    return LocalDestination(Path(text))


@contextmanager
def claimed_folder(folder: Path, names: Iterable[str]) -> Iterator[frozenset[str]]:
    """Make a folder and claim names in it during the block, see `unveil.folder_lock.claimed`.

    If the folder is new and empty after the block, it is removed. Another process may do so
    between the two steps: then both are taken again. A claim keeps the folder.

    Raises
    ------
    OutputUnwritable
        The folder cannot be made or written.
    OutputBusy
        Another process has claimed one of the names.
    """
    names = list(names)
    for attempt in range(1, _CLAIM_ATTEMPTS + 1):
        with ExitStack() as entered:
            try:
                entered.enter_context(writable(folder))
                abandoned = entered.enter_context(claimed(folder, names))
            except OutputUnwritable as error:
                is_gone = isinstance(error.__cause__, FileNotFoundError)
                if not is_gone or attempt == _CLAIM_ATTEMPTS:
                    raise
                continue
            yield abandoned
            return


class LocalDestination:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._abandoned: frozenset[str] = frozenset()

    @contextmanager
    def opened(self, stems: Sequence[str]) -> Iterator[None]:
        """Make the folder, and claim the names in it.

        Raises
        ------
        OutputUnwritable
            The folder cannot be made or written.
        OutputBusy
            Another process writes one of the names now.
        """
        with claimed_folder(self._root, stems) as abandoned:
            self._abandoned = abandoned
            yield

    def folder(self, stem: str) -> Path:
        """Return the folder of a result."""
        return self._root / stem

    def done_before(self, job: Job) -> Outcome | None:
        """Return the outcome of a job that an earlier run has done.

        Raises
        ------
        OutputExists
            There is another earlier result, and `force` is not set.
        OutputUnwritable
            What a killed process has left cannot be removed.
        """
        if job.folder.name in self._abandoned:
            job.remove_unfinished()
        return job.done_before()

    def complete(self, outcome: Outcome) -> Outcome:
        """Return the outcome: the result is where it belongs."""
        return outcome


class RemoteDestination:
    """A folder behind an address: results are made in a temporary folder and then copied.

    The report is copied last: a result without one is incomplete.
    """

    def __init__(self, address: str) -> None:
        self._remote = RemoteFolder(address)
        self._local = Path()

    @contextmanager
    def opened(self, stems: Sequence[str]) -> Iterator[None]:
        """Make the temporary folder, and claim the names at the address.

        Raises
        ------
        OutputUnwritable
            The store does not answer.
        OutputBusy
            Another run writes one of the names now.
        """
        with (
            remote_claims.claimed(self._remote, stems),
            tempfile.TemporaryDirectory(prefix="unveil-") as local,
        ):
            self._local = Path(local)
            yield

    def folder(self, stem: str) -> Path:
        """Return the temporary folder of a result."""
        return self._local / stem

    def done_before(self, job: Job) -> Outcome | None:
        """Return the outcome of a job that an earlier run has done.

        Raises
        ------
        OutputExists
            There is another earlier result, and `force` is not set.
        OutputUnwritable
            The store does not answer.
        """
        stem = job.folder.name
        if job.force:
            return None
        content = self._remote.read(f"{stem}/{REPORT}", _MAX_REPORT_BYTES)
        if content is None:
            return None  # what is there is incomplete: the report is copied last
        try:
            report = json.loads(content)
            difference = "that cannot be compared"
            if job.identity is not None and isinstance(report, dict):
                difference = job.identity.difference(report) or ""
        except (ValueError, RecursionError):
            difference = "whose report is damaged"
        if not difference:
            return skipped(job.source, report, address=f"{self._remote.name}/{stem}")
        raise OutputExists(
            f"{self._remote.name}/{stem}: holds an earlier result {difference}; add --force to "
            "replace it"
        )

    def complete(self, outcome: Outcome) -> Outcome:
        """Copy a result to its place, and remove it from the temporary folder.

        Raises
        ------
        OutputUnwritable
            A file cannot be copied.
        """
        local = outcome.folder
        if local is None:
            return outcome
        stem = local.name
        try:
            self._remote.remove(f"{stem}/{REPORT}")
            self._remove_earlier(stem)
            files = sorted(path for path in local.rglob("*") if path.is_file())
            # Of further backgrounds and tiles, too, each report is behind its files.
            files.sort(key=lambda path: (-len(path.parts), path.name == REPORT))
            for path in files:
                self._remote.put(path, f"{stem}/{path.relative_to(local).as_posix()}")
        finally:
            shutil.rmtree(local, ignore_errors=True)
        return replace(outcome, folder=None, address=f"{self._remote.name}/{stem}")

    def _remove_earlier(self, stem: str) -> None:
        """Remove files that the new result may not replace, such as those of further tiles."""
        for name in self._remote.names(stem):
            if is_result_file(name):
                self._remote.remove(f"{stem}/{name}")
            elif is_further_folder(name):
                self._remote.remove_folder(f"{stem}/{name}")
