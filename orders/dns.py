"""Looks names up in the DNS. Every function asks name servers, so none may be called inside a transaction.

An unanswered question is an error of its own: it says nothing about the name. Only functions import the library: it
takes a fifteenth of a web server's start, and few processes ever ask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from dns.resolver import Resolver

MAX_ALIASES = 8
# The name servers of a zone → the provider whose pages its owner uses.
_PROVIDERS = {
    "awsdns": "Amazon Route 53",
    "azure-dns": "Azure DNS",
    "cloudflare.com": "Cloudflare",
    "digitalocean.com": "DigitalOcean",
    "domaincontrol.com": "GoDaddy",
    "gandi.net": "Gandi",
    "googledomains.com": "Google Cloud DNS",
    "hetzner": "Hetzner",
    "hostinger": "Hostinger",
    "ionos": "IONOS",
    "name.com": "Name.com",
    "ovh.net": "OVHcloud",
    "registrar-servers.com": "Namecheap",
    "squarespacedns.com": "Squarespace",
    "wixdns.net": "Wix",
}


class NameServersSilent(Exception):
    """The name servers did not answer in time, or answered that they cannot."""


class NoSuchName(Exception):
    """The name does not exist."""


class NameLookup:
    """The questions about one name. Together they take at most DNS_TIMEOUT_SECONDS."""

    def __init__(self) -> None:
        self._resolver = _resolver()
        self._ends_at = monotonic() + settings.DNS_TIMEOUT_SECONDS

    def aliases_of(self, name: str) -> list[str]:
        """Returns the names that a name is an alias of, in the order of the CNAME records; empty if it is none.

        Raises: NoSuchName if the name itself does not exist; NameServersSilent.
        """
        found: list[str] = []
        while len(found) < MAX_ALIASES:
            try:
                targets = self._ask(found[-1] if found else name, "CNAME")
            except NoSuchName:
                # The last alias names nothing, but the records up to it exist.
                if not found:
                    raise
                break
            if not targets or targets[0] in found:
                break
            found.append(targets[0])
        return found

    def addresses_of(self, name: str) -> set[str]:
        """Returns the addresses of a name. Raises: NameServersSilent."""
        try:
            return {*self._ask(name, "A"), *self._ask(name, "AAAA")}
        except NoSuchName:
            return set()

    def texts_of(self, name: str) -> list[str]:
        """Returns the TXT records of a name. Raises: NameServersSilent."""
        try:
            return self._ask(name, "TXT")
        except NoSuchName:
            return []

    def provider_of(self, name: str) -> str:
        """Returns the provider of the name's zone, or an empty text if it is not known. It raises nothing."""
        labels = name.split(".")
        for start in range(len(labels) - 1):
            try:
                servers = self._ask(".".join(labels[start:]), "NS")
            except NoSuchName:
                continue
            except NameServersSilent:
                return ""
            if servers:
                return next((title for part, title in _PROVIDERS.items() if part in servers[0]), "")
        return ""

    def _ask(self, name: str, kind: str) -> list[str]:
        import dns.exception  # noqa: PLC0415
        import dns.rdatatype  # noqa: PLC0415

        with _translated():
            left = self._ends_at - monotonic()
            if left <= 0:
                raise dns.exception.Timeout
            answer = self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False, lifetime=left)
            if answer.rrset is None:
                return []
            if answer.rrset.rdtype == dns.rdatatype.TXT:
                return [b"".join(record.strings).decode("utf-8", "replace") for record in answer.rrset]
            return [record.to_text().removesuffix(".").lower() for record in answer.rrset]


def _resolver() -> "Resolver":
    """Makes a resolver that asks DNS_RESOLVERS, or else the system's."""
    import dns.nameserver  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    configured = settings.DNS_RESOLVERS
    resolver = dns.resolver.Resolver(configure=not configured)
    if configured:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in configured]
    return resolver


@contextmanager
def _translated() -> Iterator[None]:
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        yield
    except dns.resolver.NXDOMAIN as error:
        raise NoSuchName from error
    except (dns.exception.DNSException, OSError) as error:
        raise NameServersSilent from error
