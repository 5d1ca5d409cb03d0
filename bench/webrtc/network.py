"""A network that leads nowhere: WebRTC uses no loopback address (RFC 8445, 5.1.1.1)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

NAME = f"unveil-bench-{os.getpid()}"
ADDRESS = "10.77.0.1/24"


@contextmanager
def namespace() -> Iterator[list[str]]:
    """Make a network namespace; give the words that run a command in it. It needs root.

    Raises
    ------
    RuntimeError
        It cannot be made.
    """
    _ip("netns", "add", NAME)
    try:
        _ip("-n", NAME, "link", "set", "lo", "up")
        _ip("-n", NAME, "link", "add", "near", "type", "veth", "peer", "name", "far")
        _ip("-n", NAME, "addr", "add", ADDRESS, "dev", "near")
        for device in ("near", "far"):
            _ip("-n", NAME, "link", "set", device, "up")
        yield ["ip", "netns", "exec", NAME]
    finally:
        _ip("netns", "del", NAME)


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError("ip: is missing; apt-get install iproute2") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"ip {' '.join(words)}: {error.stderr.strip()}") from error
