"""`run_live`: everything that `unveil live` does, from the options to the end."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Final

from unveil.errors import InvalidParameter, MissingExtra, check_range
from unveil.interruption import StopRequested, never, stoppable
from unveil.live.backgrounds import Backgrounds
from unveil.live.meter import PARAMETERS
from unveil.live.pipeline import MakeSegmenter, Pipeline
from unveil.live.security import is_loopback
from unveil.live.server import LiveServer, listen, serve
from unveil.live.service import LiveService, MakePublisher
from unveil.live.settings import LiveSettings
from unveil.live.virtual_camera import VirtualCamera
from unveil.parallel import on_first_compile
from unveil.protection.parameters import Mode, ProtectModel
from unveil.recovery.warmup import prepare as prepare_recovery

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8765

MIN_TOKEN: Final = 16
"""Characters of a token at least: a short one can be guessed."""

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")

ANY_CAMERA: Final = "auto"

COMPILES: Final = "compiling the kernels, at first use only; this takes up to a minute"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What `unveil live` is started with.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any free one.
    allow_remote, token
        For another host than this machine's loopback; the token is what a browser must know.
    mode, model, background
        The first settings. A background is the id of a built-in one, a file or a colour. Without
        a mode it is "replace" with a background and "blur" without.
    virtual_camera
        Device of a virtual camera, "auto" for the first one, None for none.
    whip_url
        Where to publish from the beginning, None for nowhere.

    Raises
    ------
    InvalidParameter
        A value is not allowed.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allow_remote: bool = False
    token: str | None = field(default=None, repr=False)
    mode: Mode | None = None
    model: ProtectModel = "auto"
    background: str | None = None
    virtual_camera: str | None = None
    whip_url: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without opening anything."""
        check_range("port", self.port, 0, 65535)
        if self.mode not in (None, "replace") and self.background is not None:
            raise InvalidParameter(f"background: mode {self.mode} shows none; take mode replace")
        if not self.allow_remote and not is_loopback(self.host):
            raise InvalidParameter(
                f"host: {self.host or 'an empty one'} can be reached by other machines; add "
                "--allow-remote and a token if that is meant"
            )
        if self.allow_remote and self.token is None:
            raise InvalidParameter(
                "allow_remote: needs a token: a file with --access-token-file, or the variable "
                "UNVEIL_LIVE_TOKEN"
            )
        if self.token is not None:
            check_token(self.token)

    def settings(self, backgrounds: Backgrounds) -> LiveSettings:
        """Return the first settings; a background that was given is added.

        Raises
        ------
        InvalidParameter, UnreadableImage, UnreadableVideo
            The background cannot be used.
        """
        chosen = LiveSettings(model=self.model)
        if self.background is not None:
            given = backgrounds.add_given(self.background)
            chosen = replace(chosen, background=given, mode="replace")
        if self.mode is not None:
            chosen = replace(chosen, mode=self.mode)
        return chosen.changed({}, backgrounds)


def check_token(token: str) -> str:
    """Return a token without the space around it.

    Raises
    ------
    InvalidParameter
        It is too short, or has characters that an address cannot hold. It is not repeated.
    """
    token = token.strip()
    if len(token) < MIN_TOKEN or not _TOKEN.fullmatch(token):
        raise InvalidParameter(
            f"token: needs at least {MIN_TOKEN} characters, letters and digits, on one line"
        )
    return token


def run_live(
    options: LiveOptions,
    *,
    ready: Callable[[str], object],
    notice: Callable[[str], object] = lambda line: None,
    stop: StopRequested = never,
    make_publisher: MakePublisher | None = None,
    make_segmenter: MakeSegmenter = lambda settings: None,
) -> None:
    """Serve the page until `stop` asks to end.

    Everything is warmed up before `ready` is called: the first frame need not wait.

    Parameters
    ----------
    options
        What to serve, and where.
    ready
        Called with the address of the page when requests are answered.
    notice
        Called with lines that a user should know, such as that kernels are compiled.
    stop
        Asks to end.
    make_publisher
        Makes what publishes protected frames to an address, None if nothing can.
    make_segmenter
        Replaces the networks.

    Raises
    ------
    CannotListen
        The port is in use, or the host is none of this machine.
    UnveilError
        A background or a network cannot be loaded.
    Interrupted
        `stop` asked for it before the server was ready.
    """
    if options.whip_url is not None and make_publisher is None:
        raise InvalidParameter("whip: nothing can publish")
    if options.virtual_camera is not None and find_spec("pyvirtualcam") is None:
        raise MissingExtra("virtual camera: needs pyvirtualcam; pip install 'unveil[camera]'")
    sockets = listen(options.host, options.port)
    try:
        backgrounds = Backgrounds()
        pipeline = Pipeline(
            options.settings(backgrounds), backgrounds, make_segmenter=make_segmenter
        )
        with stoppable(stop), on_first_compile(lambda: notice(COMPILES)):
            pipeline.prepare()
            prepare_recovery(PARAMETERS.method, person=PARAMETERS.person)
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    asyncio.run(_serve(options, sockets, backgrounds, pipeline, make_publisher, ready, stop))


async def _serve(
    options: LiveOptions,
    sockets: list[socket.socket],
    backgrounds: Backgrounds,
    pipeline: Pipeline,
    make_publisher: MakePublisher | None,
    ready: Callable[[str], object],
    stop: StopRequested,
) -> None:
    camera = None
    if options.virtual_camera is not None:
        device = None if options.virtual_camera == ANY_CAMERA else options.virtual_camera
        camera = VirtualCamera(device)
    service = LiveService(
        pipeline, backgrounds, make_publisher=make_publisher, virtual_camera=camera
    )
    server = LiveServer(service, sockets, options.host, token=options.token)
    try:
        if options.whip_url is not None:
            await service.publish(options.whip_url)
    except BaseException:
        await server.close()
        raise
    await serve(server, ready=lambda: ready(server.url), stop=stop)
