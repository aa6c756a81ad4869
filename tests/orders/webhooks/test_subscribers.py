"""No subscriber's address leads a request into the service's own network, and no answer holds one for long."""

import asyncio
import socket
import ssl
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from orders import subscribers
from orders.subscribers import AddressRefused, Answer, check_address, post

from .receiver import receiver

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "fec0::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1:7f00:0:100::",
    "4000::1",
    "192.88.99.1",
)


def send(url: str) -> Answer:
    return asyncio.run(post(url, headers={"Webhook-Id": "1"}, body=b"{}"))


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(ip_address(address), scheme="https")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_a_public_address_needs_https(address: str) -> None:
    check_address(ip_address(address), scheme="https")
    with pytest.raises(AddressRefused, match="https"):
        check_address(ip_address(address), scheme="http")


def test_an_allowed_network_may_be_private(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = (ip_network("10.0.0.0/8"),)
    check_address(ip_address("10.1.2.3"), scheme="http")
    with pytest.raises(AddressRefused):
        check_address(ip_address("127.0.0.1"), scheme="http")


def test_nothing_is_sent_to_a_private_address() -> None:
    with receiver() as found:
        assert send(found.url).error == "127.0.0.1 is not a public address"
        assert send(found.url.replace("127.0.0.1", "localhost")).error.endswith("is not a public address")
        assert found.requests == []


def test_a_name_is_resolved_once_and_all_its_addresses_are_checked(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = (ip_network("127.0.0.1/32"),)
    looked_up = []

    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiver() as found:
        url = found.url.replace("127.0.0.1", "rebound.example")
        answers = ["127.0.0.1"]
        assert send(url).status == 204
        assert looked_up == ["rebound.example"]
        assert found.requests[0][0]["host"].startswith("rebound.example:")
        answers = ["127.0.0.1", "169.254.169.254"]
        assert send(url).error == "169.254.169.254 is not a public address"
        assert len(found.requests) == 1


@pytest.mark.usefixtures("private_endpoints")
def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with receiver() as found:
        found.answers = lambda number: 302
        answer = send(found.url)
        assert (answer.status, answer.is_accepted, answer.error) == (302, False, "answered 302")


@pytest.mark.usefixtures("private_endpoints")
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"220 smtp.example ESMTP\r\n", "the answer is not HTTP"),
        (b"", "the connection ended before the answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n", ""),
        (b"x" * 100_000, "the answer is not HTTP"),
    ],
)
def test_an_answer_is_only_its_status(sent: bytes, error: str) -> None:
    async def run() -> Answer:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(sent)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await post(f"http://127.0.0.1:{port}/", headers={}, body=b"{}")

    found = asyncio.run(run())
    assert found.error.startswith(error) and found.is_accepted == (not error)


@pytest.mark.usefixtures("private_endpoints")
def test_a_silent_endpoint_is_left_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "TIMEOUT_SECONDS", 0.1)
    with receiver(silent=True) as found:
        assert send(found.url).error == "no answer within 0.1 seconds"


@pytest.mark.usefixtures("private_endpoints")
def test_what_is_no_tls_fails_and_certificates_are_checked() -> None:
    with receiver() as found:
        assert "TLS" in send(found.url.replace("http:", "https:")).error
    tls = subscribers._tls()
    assert tls.check_hostname and tls.verify_mode == ssl.CERT_REQUIRED
