"""How a recovery shows itself in a notebook."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Final

from PIL import Image

from unveil.drawing import checkerboard, over

if TYPE_CHECKING:
    from unveil.recovery.result import Recovery

MAX_SIDE: Final = 720


def room_png(recovery: Recovery) -> bytes:
    """Draw the room over a checkerboard, at most `MAX_SIDE` pixels wide and high, as PNG."""
    height, width = recovery.confidence.shape
    image = Image.fromarray(over(recovery.room, checkerboard(height, width)))
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def summary_html(recovery: Recovery) -> str:
    """Return the room and the figures of a recovery as HTML; no text of it is from outside."""
    report = recovery.report
    height, width = recovery.confidence.shape
    picture = base64.b64encode(room_png(recovery)).decode("ascii")
    return (
        f"<p>Room of {width}x{height} pixels: {report['coverage']:.1%} recovered, "
        f"mean confidence {report['mean_confidence']:.2f}, from {report['frames_read']} frames.</p>"
        f'<img src="data:image/png;base64,{picture}" alt="The recovered room">'
    )
