"""`run_live`: what is refused at the start, and that it is ready only when all is warm."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests import sitter
from tests.live.pages import WHITE_LUMA, Page
from tests.sitter import INSIDE, Watcher, picture
from unveil.errors import (
    CannotListen,
    DamagedModel,
    Interrupted,
    InvalidParameter,
    UnreadableImage,
)
from unveil.live import LiveOptions, run_live
from unveil.live.backgrounds import GIVEN, Backgrounds
from unveil.live.pipeline import Pipeline
from unveil.live.run import check_token
from unveil.live.server import listen
from unveil.person import Mask
from unveil.video.chunk import Layout, Planes

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"host": "0.0.0.0"}, r"^host: 0\.0\.0\.0 can be reached by other machines; add --allow-"),
        ({"host": "::"}, r"^host: :: can be reached by other machines"),
        ({"host": "192.168.1.7"}, r"^host: 192\.168\.1\.7 can be reached"),
        ({"host": "example.org"}, r"^host: example\.org can be reached"),
        ({"host": ""}, r"^host: an empty one can be reached"),
        ({"host": "0.0.0.0", "token": TOKEN}, r"add --allow-remote and a token"),
        ({"host": "0.0.0.0", "allow_remote": True}, r"^allow_remote: needs a token"),
        ({"allow_remote": True}, r"^allow_remote: needs a token"),
        ({"allow_remote": True, "token": "short"}, r"^token: needs at least 16 characters"),
        ({"port": -1}, r"^port: -1 is outside 0 to 65535"),
        ({"port": 65536}, r"^port: 65536 is outside 0 to 65535"),
        ({"mode": "blur", "background": "wall"}, r"^background: mode blur shows none"),
        ({"mode": "remove", "background": "wall"}, r"^background: mode remove shows none"),
    ],
)
def test_options_that_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        LiveOptions(**wrong)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert LiveOptions(host=host).token is None


@pytest.mark.parametrize(
    "token", ["", "x" * 15, "two words and more", "tab\tin-the-middle", "ü" * 16]
)
def test_a_token_that_is_refused_is_not_repeated(token: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^token: needs at least 16 characters") as refused:
        check_token(token)
    assert not token or token not in str(refused.value)


def test_a_token_is_in_no_description() -> None:
    assert TOKEN not in repr(LiveOptions(token=TOKEN))


def test_a_token_is_taken_without_the_line_break() -> None:
    assert check_token(f"  {TOKEN}\n") == TOKEN


def test_the_first_settings(tmp_path: Path) -> None:
    backgrounds = Backgrounds()
    assert LiveOptions().settings(backgrounds).mode == "blur"
    chosen = LiveOptions(background="slate", model="lite").settings(backgrounds)
    assert (chosen.mode, chosen.background, chosen.model) == ("replace", "slate", "lite")
    assert LiveOptions(mode="remove").settings(backgrounds).mode == "remove"
    assert LiveOptions(mode="replace").settings(backgrounds).background == "wall"
    path = tmp_path / "loop.png"
    path.write_bytes(b"no picture")
    with pytest.raises(UnreadableImage):
        LiveOptions(background=str(path)).settings(backgrounds)
    assert backgrounds.find(GIVEN) is None


class Running:
    """`run_live` in a thread, until the block ends."""

    def __init__(self, options: LiveOptions, **more: Any) -> None:
        self.addresses: SimpleQueue[str | BaseException] = SimpleQueue()
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(options,), kwargs=more)

    def _run(self, options: LiveOptions, **more: Any) -> None:
        try:
            run_live(options, ready=self.addresses.put, stop=self.stop.is_set, **more)
        except BaseException as error:
            self.addresses.put(error)

    def __enter__(self) -> str:
        self._thread.start()
        address = self.addresses.get(timeout=250)
        if isinstance(address, BaseException):
            self._thread.join()
            raise address
        return address

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def visit(address: str, talk: Callable[[Page], Any]) -> None:
    async def visiting() -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(
                address + "session", origin=address.rstrip("/"), max_msg_size=0
            ) as socket,
        ):
            await talk(Page(socket))

    asyncio.run(visiting())


def test_everything_ran_once_before_it_is_ready() -> None:
    """The networks and kernels: the segmenter has seen a frame of a camera's size."""
    seen: list[tuple[int, int]] = []

    class Noting(Watcher):
        def mask_planes(self, planes: Planes, layout: Layout) -> Mask | None:
            seen.append((layout.height, layout.width))
            return super().mask_planes(planes, layout)

    async def talk(page: Page) -> None:
        shown = await page.protected(4)
        np.testing.assert_array_equal(shown.luma[INSIDE], picture(4)[INSIDE])
        assert (shown.luma[:, :24] == WHITE_LUMA).all()

    watcher = Noting()
    options = LiveOptions(port=0, background="white")
    with Running(options, make_segmenter=lambda settings: watcher) as address:
        assert seen == [(16, 16), (480, 640)]
        assert address.startswith("http://127.0.0.1:")
        visit(address, talk)
    assert seen[2:] == [(sitter.HEIGHT, sitter.WIDTH)]
    assert not [t for t in threading.enumerate() if t.name.startswith("unveil-protect")]


def test_the_networks_find_nobody_in_a_noisy_room() -> None:
    """With the real networks and their real start."""

    async def talk(page: Page) -> None:
        shown = await page.protected(0)
        assert (shown.luma[:, :24] == WHITE_LUMA).all()

    with Running(LiveOptions(port=0, background="white", model="lite")) as address:
        visit(address, talk)


def test_a_port_in_use_is_told_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(self: Pipeline) -> None:
        raise AssertionError("nothing may be loaded")

    monkeypatch.setattr(Pipeline, "prepare", prepare)
    (taken,) = listen("127.0.0.1", 0)
    try:
        with pytest.raises(CannotListen, match="is in use"):
            run_live(LiveOptions(port=taken.getsockname()[1]), ready=lambda address: None)
    finally:
        taken.close()


def test_what_cannot_be_loaded_frees_the_port() -> None:
    def make(settings: object) -> Watcher:
        raise DamagedModel("full: is damaged")

    (free,) = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    for _ in range(2):
        with pytest.raises(DamagedModel):
            run_live(LiveOptions(port=port), ready=lambda address: None, make_segmenter=make)


def test_a_stop_before_it_is_ready() -> None:
    ready: list[str] = []
    with pytest.raises(Interrupted):
        run_live(
            LiveOptions(port=0),
            ready=ready.append,
            stop=lambda: True,
            make_segmenter=lambda settings: Watcher(),
        )
    assert ready == []


def test_publishing_begins_with_the_server() -> None:
    class Publisher:
        def __init__(self, url: str) -> None:
            self.url = url
            self.events: list[str] = []

        @property
        def status(self) -> Any:
            return type("Status", (), {"state": "waiting", "message": ""})

        def start(self) -> None:
            self.events.append("start")

        def push(self, frame: object) -> None:
            self.events.append("push")

        def close(self) -> None:
            self.events.append("close")

    made: list[Publisher] = []

    def make(url: str) -> Publisher:
        made.append(Publisher(url))
        return made[-1]

    async def talk(page: Page) -> None:
        state = await page.text("state")
        assert state["publish"]["url"] == "https://meet.example/a"
        await page.protected(0)

    options = LiveOptions(port=0, whip_url="https://meet.example/a", background="white")
    with Running(
        options, make_segmenter=lambda settings: Watcher(), make_publisher=make
    ) as address:
        visit(address, talk)
    assert made[0].events == ["start", "push", "close"]


def test_an_address_that_cannot_be_published_to_ends_the_start() -> None:
    def refuse(url: str) -> Any:
        raise InvalidParameter("WHIP address: use https")

    options = LiveOptions(port=0, whip_url="http://meet.example/a")
    with (
        pytest.raises(InvalidParameter, match="use https"),
        Running(options, make_segmenter=lambda settings: Watcher(), make_publisher=refuse),
    ):
        pass
