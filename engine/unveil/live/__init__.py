"""Live protection: a local server with a page for the camera, and a track for aiortc.

It needs the extra `live`: pip install 'unveil[live]'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unveil.errors import MissingExtra

if TYPE_CHECKING:
    from unveil.live.run import LiveOptions, run_live
    from unveil.live.track import ProtectTrack

__all__ = ["LiveOptions", "ProtectTrack", "run_live"]

_HOMES = {"LiveOptions": "run", "ProtectTrack": "track", "run_live": "run"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used; without the extra, say what to install."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"unveil.live.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("aiohttp", "aiortc"):
            raise
        raise MissingExtra(
            f"live: needs {error.name}; install it with pip install 'unveil[live]'"
        ) from error


def __dir__() -> list[str]:
    return sorted(__all__)
