"""Blocks of the person mask in pictures of a few rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def blocks_of_several_pixels() -> Iterator[None]:
    """Give pictures of a few rows blocks of up to three pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unveil.video.chunk.BLOCKS_PER_HEIGHT", 3)
        yield
