"""What a recovery shows of itself in a notebook."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

import unveil
from tests.command import call_frames


def recovered() -> unveil.Recovery:
    engine = unveil.Engine(48, 64, method="transitions", person="none")
    for frame in call_frames():
        engine.push(frame)
    return engine.finalise()


def test_a_recovery_shows_its_room_and_its_share() -> None:
    recovery = recovered()
    html = recovery._repr_html_()
    found = re.fullmatch(
        r'<p>([^<]+)</p><img src="data:image/png;base64,([\w+/=]+)" alt="[^"]+">', html
    )
    assert found is not None
    assert f"{recovery.report['coverage']:.1%} recovered" in found[1]
    assert base64.b64decode(found[2]) == recovery._repr_png_()
    with Image.open(io.BytesIO(recovery._repr_png_())) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    assert shown.shape == (48, 64, 3)
    # A composite lies between the room and the checkerboard, which is light grey.
    room = recovery.room[..., :3].astype(int)
    light = np.where(recovery.room[..., 3:] > 0, room, 204)
    assert (shown >= np.minimum(light, 204) - 1).all()
    assert (shown <= np.maximum(light, 250) + 1).all()
    assert shown.std() > 1
