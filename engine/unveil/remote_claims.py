"""Claims on names behind an address: of two runs that want to write the same one, one is refused.

Object stores have no locks, and not all of them can create a file only if there is none. So each
run keeps a file in the folder `.unveil-runs`, with the names that it wants and how far it is:

1. It asks, and then reads the files of all runs.
2. If another one holds one of the names, or asks for one and has a smaller number, it withdraws.
3. It waits while one that asks and has a larger number has not withdrawn; then it holds the names.

Either one of two runs reads the other's file, or that one reads what the first holds, as long as a
store shows what was written to everybody who reads afterwards. A run renews its file each minute.
One that was not renewed for five minutes, by the clock of the machine that reads it, or whose
process on the same machine has ended, counts for nothing and is removed.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from unveil.errors import OutputBusy, OutputUnwritable
from unveil.folder_lock import may_run, this_process
from unveil.remote import RemoteFolder

RUNS: Final = ".unveil-runs"

RENEW_SECONDS: Final = 60.0

ABANDONED_SECONDS: Final = 300.0

_WAIT_SECONDS: Final = 0.2
_READ_ATTEMPTS: Final = 5
_MAX_BYTES: Final = 64 * 2**20


@contextmanager
def claimed(folder: RemoteFolder, names: Iterable[str]) -> Iterator[None]:
    """Claim names in a folder during the block.

    Raises
    ------
    OutputBusy
        Another run writes one of them now.
    OutputUnwritable
        The store does not answer, or refuses.
    """
    claim = _Claim(folder, sorted(set(names)))
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEW_SECONDS):
            with suppress(OutputUnwritable):  # it may answer next time
                claim.write("holds")

    thread = threading.Thread(target=renew, name="unveil-claim", daemon=True)
    try:
        claim.ask()
        thread.start()
        yield
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()
        with suppress(OutputUnwritable):  # it is abandoned in five minutes
            folder.remove(claim.place)


class _Claim:
    """The claim of one run."""

    def __init__(self, folder: RemoteFolder, names: list[str]) -> None:
        self._folder = folder
        self._names = names
        self._number = secrets.token_hex(8)
        self.place = f"{RUNS}/{self._number}.json"

    def write(self, state: str) -> None:
        """Write this run's file; `state` is "asks" or "holds"."""
        claim = {**this_process(), "names": self._names, "state": state, "renewed": time.time()}
        self._folder.write(self.place, json.dumps(claim).encode())

    def ask(self) -> None:
        """Ask for the names until they are held.

        Raises
        ------
        OutputBusy, OutputUnwritable
            As for `claimed`.
        """
        self.write("asks")
        while True:
            others = list(self._others())
            for number, other, name in others:
                if other["state"] == "holds" or number < self._number:
                    raise OutputBusy(
                        f"{self._folder.name}/{name}: process {other['pid']} on {other['host']} "
                        "writes it now; wait for it or choose another folder (if it no longer "
                        f"runs, its claim ends in {ABANDONED_SECONDS / 60:.0f} minutes)"
                    )
            if not others:
                break
            time.sleep(_WAIT_SECONDS)
        self.write("holds")

    def _others(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Yield the number and the claim of each other run, and a name that both want."""
        for file in self._folder.names(RUNS):
            number = file.removesuffix(".json")
            claim = None if number == self._number else self._live_claim(f"{RUNS}/{file}")
            if claim is not None and (shared := set(self._names).intersection(claim["names"])):
                yield number, claim, min(shared)

    def _live_claim(self, place: str) -> dict[str, Any] | None:
        """Read a claim; remove it and return None if its run has ended."""
        claim = self._read(place)
        if claim is not None:
            is_renewed = time.time() - claim["renewed"] < ABANDONED_SECONDS
            if is_renewed and may_run(claim):
                return claim
        self._folder.remove(place)
        return None

    def _read(self, place: str) -> dict[str, Any] | None:
        """Read a claim; None if there is none any more, or it stays damaged."""
        for _ in range(_READ_ATTEMPTS):
            content = self._folder.read(place, _MAX_BYTES)
            if content is None:
                return None
            try:
                claim = json.loads(content)
                assert isinstance(claim["names"], list)
                assert isinstance(claim["pid"], int)
                assert isinstance(claim["renewed"], float)
                assert claim["state"] in ("asks", "holds")
                assert isinstance(claim["host"], str)
            except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
                time.sleep(_WAIT_SECONDS)  # a file server shows what is written by half
            else:
                return dict(claim)
        return None
