"""The real server of `unveil live`, in a thread of the tests."""

from __future__ import annotations

import threading
from typing import Any

from unveil.live.run import LiveOptions, run_live


class RunningServer:
    """Serves until `stop`; `start` serves again at the same address."""

    def __init__(self, *, make_publisher: Any = None, **options: Any) -> None:
        self._options = options
        self._make_publisher = make_publisher
        self._thread: threading.Thread | None = None
        self.url = ""
        self.start()

    def start(self) -> None:
        """Serve; the first time on any free port."""
        self._stop, ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        port = int(self.url.rstrip("/").rpartition(":")[2]) if self.url else 0

        def tell(url: str) -> None:
            self.url = url
            ready.set()

        def run() -> None:
            try:
                run_live(
                    LiveOptions(**self._options, port=port),
                    ready=tell,
                    stop=self._stop.is_set,
                    make_publisher=self._make_publisher,
                )
            except BaseException as error:
                self._error = error
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="live-server", daemon=True)
        self._thread.start()
        ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stop, and wait until it has."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
