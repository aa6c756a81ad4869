"""Sends requests to subscribers' endpoints. A subscriber chooses the address, so it must not reach this network.

The name is resolved once, every address that it has is checked, and the connection is made to a checked one: a name
that resolves differently a moment later changes nothing. No redirect is followed, and only the status of the answer
is read. A private address, and http instead of https, needs a network of WEBHOOK_PRIVATE_NETWORKS.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

from billing.language import say

# How long a request may take, from the look-up of the name to the answer's status.
TIMEOUT_SECONDS = 10
MAX_LINE_LENGTH = 8_192
MAX_HEADERS = 100
_DEFAULT_PORTS = {"http": 80, "https": 443}
# The only IPv6 addresses that are given out to the public, and those that lead to the IPv4 address in their last 32
# bits. Python calls most others global.
_PUBLIC, _TRANSLATED = ip_network("2000::/3"), ip_network("64:ff9b::/96")
# Networks without public addresses that Python's list lacks: documentation, and relays of 6to4.
_NOT_PUBLIC = tuple(map(ip_network, ("3fff::/20", "192.88.99.0/24")))
# A resolver that does not answer holds a thread for longer than the request. These are only for look-ups.
_MAX_LOOKUPS = 32

Address = IPv4Address | IPv6Address


class AddressRefused(Exception):
    """The address is not one to which this service sends requests. The sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status of an endpoint's answer, or why there is none."""

    status: int | None
    error: str
    milliseconds: int

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        """Returns whether the subscriber wants no more requests."""
        return self.status == HTTPStatus.GONE


async def post(url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
    """Sends one request. A failure is an answer without a status; nothing is raised."""
    began, status, error = time.monotonic(), None, ""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status = await send_request(url, headers, body)
    except TimeoutError:
        error = f"no answer within {TIMEOUT_SECONDS} seconds"
    except AddressRefused as refusal:
        error = str(refusal)
    except ssl.SSLCertVerificationError as failure:
        error = f"the certificate is not valid: {failure.verify_message}"
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as failure:
        error = _describe(failure)
    if status is not None and not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        error = f"answered {status}"
    return Answer(status=status, error=error, milliseconds=round(1000 * (time.monotonic() - began)))


def check_address(address: Address, *, scheme: str) -> None:
    """Raises: AddressRefused."""
    if any(address in network for network in settings.WEBHOOK_PRIVATE_NETWORKS):
        return
    if not all(_is_public(each) for each in _reached(address)):
        raise AddressRefused(say("%(address)s is not a public address", address=address))
    if scheme != "https":
        raise AddressRefused("the address must begin with https://")


def _is_public(address: Address) -> bool:
    given_out = isinstance(address, IPv4Address) or address in _PUBLIC or address in _TRANSLATED
    listed = any(address in network for network in _NOT_PUBLIC)
    return given_out and address.is_global and not address.is_multicast and not listed


def _reached(address: Address) -> list[Address]:
    """Returns the address, and the IPv4 address that it leads to, if any."""
    inner: list[IPv4Address | None] = []
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _TRANSLATED:
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    # An IPv4 address in IPv6 form is as public as the IPv4 address.
    whole = [] if isinstance(address, IPv6Address) and address.ipv4_mapped else [address]
    return [*whole, *(each for each in inner if each is not None)]


async def send_request(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Sends the request, and returns the status of the answer. Raises: AddressRefused, OSError, ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    address = await _resolve(host, port, scheme=parts.scheme)
    is_secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        str(address),
        port,
        limit=MAX_LINE_LENGTH,
        ssl=_tls() if is_secure else None,
        server_hostname=host if is_secure else None,
    )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        shown = parts.netloc.rpartition("@")[2]
        lines = [f"POST {target} HTTP/1.1", f"Host: {shown}", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
        await writer.drain()
        return await _read_status(reader)
    finally:
        writer.transport.abort()


async def _resolve(host: str, port: int, *, scheme: str) -> Address:
    """Returns an address of the name, after a check of all that it has. Raises: AddressRefused, OSError."""
    found = await asyncio.get_running_loop().run_in_executor(
        _lookups(), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for each in addresses:
        check_address(each, scheme=scheme)
    return addresses[0]


async def _read_status(reader: asyncio.StreamReader) -> int:
    """Reads the status line. Informational answers come before it. Raises: ValueError."""
    for _ in range(MAX_HEADERS):
        line = await reader.readuntil(b"\n")
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise ValueError("the answer is not HTTP")
        status = int(rest[:3])
        if status >= HTTPStatus.OK:
            return status
        for _ in range(MAX_HEADERS):
            if (await reader.readuntil(b"\n")).strip() == b"":
                break
    raise ValueError("the answer has no status")


def _describe(failure: Exception) -> str:
    if isinstance(failure, socket.gaierror):
        return "the name does not resolve"
    if isinstance(failure, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(failure, ssl.SSLError):
        return f"TLS failed: {failure.reason}"
    if isinstance(failure, asyncio.LimitOverrunError):
        return "the answer is not HTTP"
    if isinstance(failure, asyncio.IncompleteReadError | ConnectionError):
        return "the connection ended before the answer"
    return str(failure) or type(failure).__name__


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _lookups() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="webhook-lookup")
