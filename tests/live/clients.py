"""What clients other than the page send: uploads and raw bytes; and that the server goes on."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from PIL import Image

from tests.live.pages import WHITE_LUMA, Live

TOKEN = "correct-horse-battery"


async def still_works(live: Live) -> None:
    """Check that a page still gets its frames protected."""
    async with live.page() as page:
        assert (await page.protected(1)).luma[0, 0] == WHITE_LUMA


def picture_of(width: int, height: int, kind: str = "PNG") -> bytes:
    """Encode a red picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(file, kind)
    return file.getvalue()


async def upload(live: Live, body: Any, **options: Any) -> tuple[int, dict[str, str]]:
    """Upload a body as the page does; return the status and what the server answers."""
    headers = {"Origin": live.origin} | options.pop("headers", {})
    url = live.server.url + "backgrounds"
    async with live.http.post(url, data=body, headers=headers, **options) as answer:
        return answer.status, await answer.json()


async def connected(live: Live) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection on which anything can be sent."""
    host, _, port = live.origin.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))
