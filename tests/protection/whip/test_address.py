"""Which addresses are taken, and that a refusal does not repeat a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.errors import InvalidParameter
from unveil.protection.whip.address import whip_address

TAKEN = {
    "https://meet.example.org/group/test/.whip": "meet.example.org",
    "HTTPS://Meet.Example.org:8443/a?key=s3cr3t#s3cr3t": "meet.example.org:8443",
    "https://bücher.example/whip": "bücher.example",
    "https://203.0.113.9/whip": "203.0.113.9",
    "https://[2001:db8::1]:8443/whip": "[2001:db8::1]:8443",
    "http://127.0.0.1:7088/whip/s3cr3t": "127.0.0.1:7088",
    "http://127.8.9.10/": "127.8.9.10",
    "http://localhost:8443": "localhost:8443",
    "http://sfu.localhost/whip": "sfu.localhost",
    "http://[::1]:8080/whip": "[::1]:8080",
    "http://10.77.0.1/whip": "10.77.0.1",
    "http://192.168.1.4/whip": "192.168.1.4",
    "http://172.16.0.1/whip": "172.16.0.1",
    "http://192.0.2.2/whip": "192.0.2.2",
    "http://[fd00::2]/whip": "[fd00::2]",
    "http://[::ffff:10.0.0.1]/whip": "[::ffff:10.0.0.1]",
}

NOT_ENCRYPTED = [
    "http://meet.example.org/whip/s3cr3t",
    "http://8.8.8.8/s3cr3t",
    "http://[2606:4700::1]/s3cr3t",
    "http://[::ffff:8.8.8.8]/s3cr3t",
    "http://134744072/s3cr3t",  # 8.8.8.8
    "http://0x08.8.8.8/s3cr3t",
    "http://10.0.0.1.example.org/s3cr3t",
    "http://localhost.example.org/s3cr3t",
    "http://mylocalhost/s3cr3t",
]

NO_ADDRESS = [
    "",
    "s3cr3t",
    "meet.example.org/s3cr3t",
    "ftp://meet.example.org/s3cr3t",
    "https:///s3cr3t",
    "https://me:s3cr3t@meet.example.org/whip",
    "https://s3cr3t@meet.example.org",
    "http://127.0.0.1\\@meet.example.org/s3cr3t",
    "https://meet.example.org\\s3cr3t",
    "https://meet.example.org/a b s3cr3t",
    "https://meet.example.org/\ns3cr3t",
    "https://meet.example.org:s3cr3t/",
    "https://meet.example.org:0/s3cr3t",
    "https://meet.example.org:65536/s3cr3t",
    "https://meet..example.org/s3cr3t",
    "https://" + "a" * 64 + ".org/s3cr3t",
    "https://[:::]/s3cr3t",
    "https://[127.0.0.1]/s3cr3t",
    "http://127.0.0.1%2f@meet.example.org/s3cr3t",
]


@pytest.mark.parametrize("text", TAKEN)
def test_only_the_host_of_an_address_is_shown(text: str) -> None:
    address = whip_address(text)
    assert address.host == TAKEN[text]
    assert "s3cr3t" not in repr(address)
    assert "#" not in address.url
    scheme, _, rest = text.partition("#")[0].partition("://")
    assert address.url.lower().rstrip("/") == f"{scheme}://{rest}".lower().rstrip("/")


@pytest.mark.parametrize("text", NOT_ENCRYPTED)
def test_http_to_a_public_host_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidParameter, match=r"^WHIP address: http to [^ ]+ would send"
    ) as caught:
        whip_address(text)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^WHIP address: ") as caught:
        whip_address(text)
    assert "s3cr3t" not in str(caught.value)


@given(st.text(), st.sampled_from(["", "http://", "https://", "https://a.b/", "https://a.b:"]))
def test_any_text_is_taken_or_refused_in_one_line(text: str, start: str) -> None:
    told = ""
    try:
        told = whip_address(start + text).url
    except InvalidParameter as error:
        told = str(error)
    assert told.startswith(("https://", "http://", "WHIP address: "))
    assert "\n" not in told
