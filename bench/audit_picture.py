"""Draws docs/audit.png: the page of the call with a person of `unveil demo`, in Chromium.

The astronaut is scikit-image's photo by NASA (public domain), in a room of `unveil.simulation`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from bench.live import CHROMIUM
from unveil.demo.person import run_person_demo

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "audit.png"
HEIGHT, WIDTH = 860, 1000
COLOURS = 192


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="the page of a demo's call that exists already")
    page = parser.parse_args().page
    if page is not None:
        _draw(page.resolve())
    else:
        with tempfile.TemporaryDirectory() as folder:
            _draw(run_person_demo(Path(folder) / "person").page)
    with Image.open(PICTURE) as image:
        palette = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    palette.save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


def _draw(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"]
        )
        view = {"width": WIDTH, "height": HEIGHT}
        context = browser.new_context(viewport=view, color_scheme="light")
        shown = context.new_page()
        shown.goto(page.as_uri())
        shown.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
