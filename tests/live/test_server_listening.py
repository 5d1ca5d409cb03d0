"""Addresses on which the server listens, and those that it refuses."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.live.clients import TOKEN, still_works
from tests.live.pages import running
from unveil.errors import CannotListen
from unveil.live.server import listen


def test_a_port_in_use_is_told() -> None:
    (taken,) = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    try:
        with pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1: is in use; choose"):
            listen("127.0.0.1", port)
    finally:
        taken.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a..b", "x" * 70])
def test_a_host_that_is_not_this_machine_is_told(host: str) -> None:
    with pytest.raises(CannotListen, match="is no address of this machine; choose another --host"):
        listen(host, 0)


def test_localhost_listens_on_one_port_of_all_its_addresses() -> None:
    sockets = listen("localhost", 0)
    assert len({listening.getsockname()[1] for listening in sockets}) == 1
    assert len({listening.family for listening in sockets}) == len(sockets)
    for listening in sockets:
        listening.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_ipv6() -> None:
    try:
        for listening in listen("::1", 0):
            listening.close()
    except CannotListen:
        pytest.skip("this machine has no ::1")

    async def talk() -> None:
        async with running(host="::1") as live:
            assert live.server.url.startswith("http://[::1]:")
            await still_works(live)

    asyncio.run(talk())


def test_all_addresses_are_shown_as_this_machine() -> None:
    async def talk() -> None:
        async with running(host="0.0.0.0", token=TOKEN) as live:
            assert live.server.url.startswith("http://127.0.0.1:")
            async with live.http.get(live.server.url) as answer:
                assert "token" in await answer.text()

    asyncio.run(talk())
