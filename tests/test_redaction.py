"""Descriptions of sources show scheme, host and last name, and no secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import RECOVER, unveil, write_call
from tests.sitter import Watcher
from unveil.errors import MissingInput, OutputUnwritable, UnreadableVideo, UnveilError, explain
from unveil.files import write_png
from unveil.protection import protect
from unveil.recovery.batch import gather_inputs
from unveil.redaction import address_name, described, described_address, file_name, redacted
from unveil.video.source import resolve_inputs, source_of

SECRET = "s3cr3t"

ADDRESSES = {
    "https://example.org/call.mp4?X-Amz-Signature=s3cr3t&X-Amz-Credential=s3cr3t": (
        "https://example.org/call.mp4",
        "call",
    ),
    "https://me:s3cr3t@example.org:8443/calls/2024/call%201.mp4#t=s3cr3t": (
        "https://example.org:8443/.../call%201.mp4",
        "call 1",
    ),
    "https://s3cr3t@example.org/": ("https://example.org", "example.org"),
    "https://example.org?token=s3cr3t": ("https://example.org", "example.org"),
    "https://example.org/call.mp4%3Ftoken%3Ds3cr3t.mp4": ("https://example.org/call.mp4", "call"),
    "https://example.org/call.mp4;jsessionid=s3cr3t": ("https://example.org/call.mp4", "call"),
    "https://example.org/s3cr3t/live/index.m3u8": ("https://example.org/.../index.m3u8", "index"),
    "https://example.org/get/https%253A%252F%252Fh%252Fa.mp4%253Fsig%253Ds3cr3t": (
        "https://example.org/.../a.mp4",
        "a",
    ),
    "https://example.org/call.mp4?next=/s3cr3t/other.mp4": ("https://example.org/call.mp4", "call"),
    "rtsp://me:s3cr3t@10.0.0.1:554/": ("rtsp://10.0.0.1:554", "10.0.0.1_554"),
    "rtsp://me:s3/cr3t@10.0.0.1:554/stream": ("rtsp://.../.../stream", "stream"),
    "rtsp://me:s3cr3t?@10.0.0.1:554/stream": ("rtsp://...", "video"),
    "rtmp://a.rtmp.example.org/live2/s3cr3t": ("rtmp://a.rtmp.example.org", "a.rtmp.example.org"),
    "srt://10.0.0.1:9000?streamid=s3cr3t&passphrase=s3cr3t": (
        "srt://10.0.0.1:9000",
        "10.0.0.1_9000",
    ),
    "https://[2001:db8::1]:80/call.mp4?s3cr3t": ("https://[2001:db8::1]:80/call.mp4", "call"),
    "https://example.org/my call.mp4?token=s3cr3t s3cr3t": (
        "https://example.org/my_call.mp4",
        "my_call",
    ),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_shown_without_its_secrets(address: str) -> None:
    shown, stem = ADDRESSES[address]
    (source,) = resolve_inputs([address])
    assert source.url == address
    assert (source.name, source.stem) == (shown, stem)
    for told in (source.name, source.stem, described(address), file_name(address)):
        assert SECRET not in told
        assert "cr3t" not in told


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_description_describes_itself(address: str) -> None:
    shown = described(address)
    assert described_address(shown) == shown
    assert redacted(f"{shown}: gone; copy {shown}.") == f"{shown}: gone; copy {shown}."


def test_addresses_in_a_text_are_replaced_and_the_rest_stays() -> None:
    text = "No such file: 'https://me:s3cr3t@h/a/b.mp4?s3cr3t', see C:\\x and 12:30 (rtsp://u:s3cr3t@h)."
    assert redacted(text) == (
        "No such file: 'https://h/.../b.mp4', see C:\\x and 12:30 (rtsp://h)."
    )


@given(st.text(), st.sampled_from(["https", "rtsp", "srt", "rtmp", "cache:https"]))
def test_whatever_the_query_it_is_not_shown(text: str, scheme: str) -> None:
    address = f"{scheme}://me:{SECRET}@example.org/a/call.mp4?{text}"
    assert described(address) == described(f"{scheme}://example.org/a/call.mp4")
    assert address_name(address) == ("" if scheme == "rtmp" else "call.mp4")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_text_without_an_address_stays(text: str) -> None:
    if "://" not in text:
        assert redacted(text) == text


@pytest.mark.parametrize("kind", [UnveilError, MissingInput, UnreadableVideo, OutputUnwritable])
def test_no_error_holds_a_secret(kind: type[UnveilError]) -> None:
    error = kind("https://me:s3cr3t@example.org/call.mp4?s3cr3t: no such file")
    assert str(error) == "https://example.org/call.mp4: no such file"
    assert explain(OSError("at\nrtsp://me:s3cr3t@h/x")) == "OSError: at rtsp://h/x"


@pytest.mark.parametrize(
    "address", ["http://me:s3cr3t@[::1/a.mp4?s3cr3t", "http://me:s3cr3t\u2100@h/a.mp4"]
)
def test_an_address_that_is_none_is_not_told_either(address: str) -> None:
    with pytest.raises(MissingInput, match="not a valid address") as caught:
        source_of(address)
    assert SECRET not in str(caught.value)
    (missing,) = gather_inputs([address]).missing
    assert SECRET not in json.dumps(missing.as_dict())


ADDRESS = "http://me:s3cr3t@127.0.0.1:9/s3cr3t/call.mp4?token=s3cr3t"
"""No server answers there."""


@pytest.mark.parametrize(
    "arguments",
    [
        (*RECOVER, ADDRESS, "--json"),
        ("protect", ADDRESS),
        ("timeline", ADDRESS, "--at", "1,1"),
        ("simulate", ADDRESS),
    ],
)
@pytest.mark.parametrize("before", [(), ("--debug",)])
def test_no_command_prints_a_secret(
    tmp_path: Path, arguments: tuple[str, ...], before: tuple[str, ...]
) -> None:
    done = unveil(*before, *arguments, "-o", tmp_path / "out.mp4")
    assert done.exit_code in (1, 2)
    assert "127.0.0.1" in done.output
    assert SECRET not in done.output
    assert not any(SECRET in str(path) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("option", ["--background", "--room"])
def test_no_picture_that_is_an_address_is_told(tmp_path: Path, option: str) -> None:
    done = unveil("simulate", write_call(tmp_path / "a.mp4"), "-o", tmp_path / "o", option, ADDRESS)
    assert done.exit_code == 1
    assert SECRET not in done.output
    if option == "--background":
        done = unveil("recover", tmp_path / "a.mp4", "-o", tmp_path / "o", option, ADDRESS)
        assert SECRET not in done.output


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve a call at an address with user, password and token."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_call(folder / "call.mkv")
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://me:{SECRET}@127.0.0.1:{server.server_port}/call.mkv?token={SECRET}#{SECRET}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_nothing_that_is_written_holds_a_secret(tmp_path: Path, served: str) -> None:
    out = tmp_path / "out"
    done = unveil(*RECOVER, served, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    beach = tmp_path / SECRET / "beach.png"
    beach.parent.mkdir()
    write_png(beach, np.zeros((8, 8, 3), np.uint8))
    protected = protect(served, out / "protected.mkv", background=beach, segmenter=Watcher())
    assert protected.report["parameters"]["background"] == "beach.png"
    assert [path.name for path in sorted(out.iterdir())] == [
        "call",
        "protected.mkv",
        "protected.report.json",
    ]
    schema = pq.read_schema(out / "call" / "stats.parquet")
    told = [done.output, str(schema.metadata), str(protected.notes), protected.summary]
    told += [path.read_text() for path in out.rglob("*.json")]
    assert all("/call.mkv" in text for text in told[:2])
    assert not any(SECRET in text for text in told)
