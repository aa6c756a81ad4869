"""Reads the process's environment strictly: one error names every variable that is missing or malformed.

A malformed value is never replaced by a default: `DEBUG=flase` must prevent the start, not mean "off". Messages
name variables and never repeat a value, which may be a secret.

A file may contain the value of any variable: `SECRET_KEY_FILE=/run/secrets/key` (django-environ).
"""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env
from environ.fileaware_mapping import FileAwareMapping

Network = IPv4Network | IPv6Network

_FLAGS = {"0": False, "1": True, "false": False, "true": True}
# HS256 needs a key of 256 bits (RFC 7518, section 3.2).
MIN_SECRET_CHARACTERS = 32
MIN_DISTINCT_CHARACTERS = 5
# What examples and templates contain where a secret belongs.
_PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|this)|replace[-_ ]?(me|this)|your[-_ ]|placeholder|insecure|<|\$\(|\$\{|\{\{|…", re.IGNORECASE
)
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_DNS_PORT = 53
_MAX_PORT = 65_535
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Environment:
    """Reads variables and collects their errors, which `refuse_problems` raises together."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        # Not Env itself: it reads a value that begins with a dollar sign as the name of another variable, but a
        # secret may begin with one.
        self._variables: Mapping[str, str] = FileAwareMapping(dict(variables))  # type: ignore[no-untyped-call]
        self._problems: list[str] = []

    def given(self, name: str) -> bool:
        """Returns whether the variable exists, even if it is empty."""
        return name in self._variables

    def text(self, name: str, default: str = "", *, pattern: str = "") -> str:
        """Returns the trimmed value; an empty variable counts as absent."""
        value = self._read(name).strip() or default
        if value and pattern and not re.fullmatch(pattern, value):
            self._problem(f"{name} is malformed")
        return value

    def _read(self, name: str) -> str:
        try:
            return self._variables.get(name, "")
        except (OSError, UnicodeDecodeError):
            self._problem(f"{name}_FILE cannot be read")
            return ""

    def flag(self, name: str, *, default: bool = False) -> bool:
        """0 or 1 (false and true are understood)."""
        value = self.text(name).lower()
        if value and value not in _FLAGS:
            self._problem(f"{name} must be 0 or 1")
        return _FLAGS.get(value, default)

    def is_production(self) -> bool:
        """Returns whether neither DEBUG=1 nor DEMO=1 is set."""
        return not self.flag("DEBUG") and not self.flag("DEMO")

    def number(self, name: str, default: int, *, minimum: int = 0) -> int:
        """Returns a whole number of at least `minimum`."""
        value = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < minimum:
            self._problem(f"{name} must be a whole number of at least {minimum}")
            return default
        return int(value)

    def items(self, name: str) -> list[str]:
        """Returns a comma-separated list, blanks dropped."""
        listed: list[str] = Env.parse_value(self.text(name), list)  # type: ignore[no-untyped-call]
        return [item.strip() for item in listed if item.strip()]

    def networks(self, name: str) -> tuple[Network, ...]:
        """Comma-separated networks or single addresses: `10.0.0.0/8, ::1`."""
        try:
            return tuple(ip_network(item, strict=False) for item in self.items(name))
        except ValueError:
            self._problem(f"{name} must be comma-separated networks such as 10.0.0.0/8")
            return ()

    def origins(self, name: str) -> list[str]:
        """Comma-separated origins of pages: a scheme, a host and perhaps a port. In production each is https."""
        origins = self.items(name)
        if any(not _ORIGIN.fullmatch(each) for each in origins):
            self._problem(f"{name} must be comma-separated origins such as https://shop.example.om")
        for each in origins:
            self.refuse_plain(name, each)
        return origins

    def links(self, name: str) -> list[tuple[str, str]]:
        """Comma-separated links, each a text and an address: `Terms=https://example.om/terms`."""
        found = [re.fullmatch(r"([^=]+)=(https?://\S+)", item) for item in self.items(name)]
        if not all(found):
            self._problem(f"{name} must be comma-separated links such as Terms=https://example.om/terms")
        return [(link[1].strip(), link[2]) for link in found if link]

    def name_servers(self, name: str) -> list[tuple[str, int]]:
        """Comma-separated addresses, each with a port or without: `10.0.0.53, 127.0.0.1:5353, [::1]:53`."""
        found = []
        for item in self.items(name):
            parts = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]+)", item)
            try:
                address = str(ip_address(parts[1] or parts[2] or parts[4])) if parts else ""
            except ValueError:
                address = ""
            port = int(parts[3] or _DNS_PORT) if parts else 0
            if not address or not 0 < port <= _MAX_PORT:
                self._problem(f"{name} must be comma-separated addresses such as 10.0.0.53 or [::1]:5353")
                return []
            found.append((address, port))
        return found

    def secret(self, name: str) -> str:
        """Returns a text that nobody can guess. Outside production any text is accepted."""
        value = self.text(name)
        self._refuse_weak(name, value)
        return value

    def secrets(self, name: str) -> list[str]:
        """Returns a comma-separated list of such secrets."""
        values = self.items(name)
        for value in values:
            self._refuse_weak(name, value)
        return values

    def _refuse_weak(self, name: str, value: str) -> None:
        if not value or not self.is_production():
            return
        if len(value) < MIN_SECRET_CHARACTERS:
            self._problem(f"{name} must have at least {MIN_SECRET_CHARACTERS} characters")
        elif len(set(value)) < MIN_DISTINCT_CHARACTERS or _PLACEHOLDER.search(value):
            self._problem(f"{name} is a placeholder: use random characters")

    def refuse_plain(self, name: str, url: str) -> None:
        """Notes an address whose content anyone on the network can read or replace: in production it must be https.

        A server on the same machine needs no encryption, because no network carries its traffic.
        """
        parts = urlsplit(url)
        plain = bool(url) and parts.scheme != "https" and parts.hostname not in LOCAL_HOSTS
        self.refuse(self.is_production() and plain, f"{name} must be https:// in production")

    def require(self, condition: object, missing: str) -> None:
        """Notes `missing` as absent unless the condition holds."""
        if not condition:
            self._problem(f"{missing} is missing")

    def refuse(self, condition: object, problem: str) -> None:
        """Notes the problem where the condition holds."""
        if condition:
            self._problem(problem)

    def refuse_problems(self) -> None:
        """Prevents the start if there is any error, and names all of them.

        Raises: ImproperlyConfigured.
        """
        if self._problems:
            raise ImproperlyConfigured("The environment is not complete: " + "; ".join(self._problems) + ".")

    def _problem(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)
