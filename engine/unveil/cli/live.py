"""The command `unveil live`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from unveil.cli.options import LiveModel, Quiet
from unveil.cli.reporting import reporting

if TYPE_CHECKING:
    from unveil.live.service import Publishes

ACCESS_VARIABLE: Final = "UNVEIL_LIVE_TOKEN"

HostOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Address on which to listen. Others than this machine's own need --allow-remote.",
    ),
]
PortOption = Annotated[
    int, typer.Option(metavar="N", help="Port on which to listen; 0 takes any free one.")
]
OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
AllowRemoteOption = Annotated[
    bool,
    typer.Option(
        "--allow-remote",
        help=f"Let other machines use the page. It needs a token: --access-token-file, or the "
        f"variable {ACCESS_VARIABLE}.",
    ),
]
AccessTokenOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="none",
        help="File with the token that a browser must give once, as ?token=TOKEN; at least 16 "
        "characters.",
    ),
]
ModeOption = Annotated[
    Literal["remove", "blur", "replace"] | None,
    typer.Option(
        show_default="replace with --background, else blur",
        help="How the background is protected at first: green, blurred, or replaced.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|IMAGE|VIDEO|COLOUR",
        show_default="none",
        help="What is shown behind the person at first: wall, dusk, shelves or slate, a file, or "
        "a colour.",
    ),
]
ModelOption = Annotated[
    LiveModel, typer.Option(help="Network that finds the person at first, as for protect.")
]
WhipOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        show_default="none",
        help="Publish the protected picture to this WHIP server from the beginning; the page can "
        "do so, too.",
    ),
]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="UNVEIL_WHIP_TOKEN",
        help="File with the token for the WHIP server.",
    ),
]
CameraOption = Annotated[
    str | None,
    typer.Option(
        "--virtual-camera",
        metavar="DEVICE",
        show_default="none",
        help="Show the protected picture as a camera of this name to other programs; auto takes "
        "the first virtual camera. It needs the extra camera.",
    ),
]


def live(
    context: typer.Context,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8765,
    open_page: OpenOption = False,
    allow_remote: AllowRemoteOption = False,
    access_token_file: AccessTokenOption = None,
    mode: ModeOption = None,
    background: BackgroundOption = None,
    model: ModelOption = "auto",
    whip: WhipOption = None,
    token_file: TokenOption = None,
    virtual_camera: CameraOption = None,
    quiet: Quiet = False,
) -> None:
    """Protect the camera in the browser: serve a page on this machine until Ctrl-C.

    The page takes the camera, sends its frames to this process and shows them protected. Nothing
    leaves the machine, unless the protected picture is published.
    """
    with reporting(context, quiet=quiet) as report:
        from unveil.live import LiveOptions, run_live
        from unveil.protection.whip.token import read_token

        # For this machine alone the variable does not count.
        access_token = read_token(access_token_file, ACCESS_VARIABLE if allow_remote else None)
        options = LiveOptions(
            host=host,
            port=port,
            allow_remote=allow_remote,
            token=access_token,
            mode=mode,
            model=model,
            background=background,
            virtual_camera=virtual_camera,
            whip_url=whip,
        )
        token = read_token(token_file)

        def make_publisher(url: str) -> Publishes:
            # Imported late: it takes part of a second, and few publish.
            from unveil.protection.whip.publisher import Publisher

            return Publisher(url, token)

        def ready(address: str) -> None:
            once = ", opened once with ?token=TOKEN" if options.token is not None else ""
            report.result(f"unveil: live at {address}{once} (Ctrl-C ends it)")
            if open_page:
                _open_browser(address)

        run_live(
            options,
            ready=ready,
            notice=lambda line: report.notes("live", line),
            stop=report.stop,
            make_publisher=make_publisher,
        )
        report.result("unveil: live ended")


def _open_browser(address: str) -> None:
    """Open an address; in a thread, because a browser in the terminal would hold up the server."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
