"""Draws docs/live.png: the page of `unveil live` in Chromium, whose camera shows an astronaut.

The astronaut is scikit-image's photo by NASA (public domain), in a room of `unveil.simulation`.
"""

from __future__ import annotations

import base64
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from bench import material
from bench.live import CHROMIUM, FLAGS, Row, running, server
from unveil.simulation import scenes

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "live.png"
HEIGHT, WIDTH = 720, 1280
N_FRAMES = 75
SETTLE_SECONDS = 20


def main() -> None:
    """Draw the picture."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, server(Row("720p", "full")) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()
        _write_camera(Path(folder) / "camera.y4m")
        command = [CHROMIUM, *FLAGS, "--use-file-for-fake-video-capture=camera.y4m"]
        command += [
            "--user-data-dir=profile",
            "--window-size=1280,943",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
        ]
        # In the folder, because the page shows the name of the camera's file.
        with running([*command, url], cwd=folder):
            time.sleep(SETTLE_SECONDS)
            # Only now: a debugger would spoil the figures that the page shows.
            port = (Path(folder) / "profile" / "DevToolsActivePort").read_text().split()[0]
            with sync_playwright() as playwright:
                browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
                [page] = (page for page in browser.contexts[0].pages if page.url == url)
                session = page.context.new_cdp_session(page)
                PICTURE.write_bytes(
                    base64.b64decode(session.send("Page.captureScreenshot")["data"])
                )
    with Image.open(PICTURE) as image:
        ImageOps.posterize(image.convert("RGB"), 6).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


def _write_camera(path: Path) -> None:
    # A part of a wider room, so that no poster hangs behind the head.
    room = scenes.photo_room(HEIGHT, 3 * WIDTH // 2, seed=2)[:, :WIDTH]
    side = round(0.95 * HEIGHT)
    with Image.open(material.astronaut()) as image:
        person = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
    opacity = person[..., 3:] / 255
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(N_FRAMES):
            picture = room.copy()
            left = (WIDTH - side) // 2 + round(12 * np.sin(2 * np.pi * number / N_FRAMES))
            here = picture[HEIGHT - side :, left : left + side]
            here[...] = np.rint(opacity * person[..., :3] + (1 - opacity) * here)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            file.write(b"FRAME\n")
            for plane in frame.planes:
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                file.write(rows[:, : plane.width].tobytes())


if __name__ == "__main__":
    main()
