"""The environment variables of the demo's programs: ports, secrets, and the address of Stripe or its sandbox."""

import hashlib
import json
import os
import secrets
import socket

from config.devtools.demo.children import CHECKOUT
from config.devtools.demo.errors import DemoError

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8000
SANDBOX_PORT_DISTANCE = 1000
MAX_PORT = 65535 - SANDBOX_PORT_DISTANCE
SECRETS = CHECKOUT / ".data" / "demo.json"
# The seller on the demo's invoices.
SELLER = {
    "SELLER_NAME": "Majan Cloud Services LLC",
    "SELLER_ADDRESS": "Way 2239, Building 14, Al Khuwair, 133 Muscat, Oman",
    "SELLER_VAT_NUMBER": "OM1100000000",
}
# The demo uses neither the caller's database nor the caller's mode.
NOT_INHERITED = ("DATABASE_URL", "DATABASE_URL_FILE", "DEBUG", "DEBUG_FILE", "DEMO_FILE")


def choose_port() -> int:
    """Return the web server's port, from PORT.

    Raises:
        DemoError: PORT is not a usable number, or another program uses this port or the sandbox's.
    """
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) <= MAX_PORT:
        raise DemoError(f"PORT must be a number from 1 to {MAX_PORT}, not '{text}'.")
    for port in (int(text), sandbox_port(int(text))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError as error:
                raise DemoError(
                    f"Port {port} cannot be used ({error.strerror}). Choose another with PORT=."
                ) from error
    return int(text)


def sandbox_port(port: int) -> int:
    """Return the Stripe sandbox's port, at a fixed distance from the web server's."""
    return port + SANDBOX_PORT_DISTANCE


def root_url(port: int) -> str:
    """Return the web server's address."""
    return f"http://{ADDRESS}:{port}/"


def api_prefix() -> str:
    """Return the path of the API's root, as settings read it: no leading slash, a trailing slash, or empty."""
    prefix = os.environ.get("API_PREFIX", "api/").strip().strip("/")
    return f"{prefix}/" if prefix else ""


def demo_environment(port: int) -> dict[str, str]:
    """Return the environment of the demo's programs."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    chosen = {
        "DEMO": "1",
        "SOVEREIGN_TIME_ZONE": os.environ.get("SOVEREIGN_TIME_ZONE", "Asia/Muscat"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": f"{ADDRESS},localhost",
        "BIND_ADDRESS": ADDRESS,
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
        "PYTHONUNBUFFERED": "1",
        "CHECKOUT_SUCCESS_URL": f"{root_url(port)}checkout/success?session={{CHECKOUT_SESSION_ID}}",
        "CHECKOUT_CANCEL_URL": f"{root_url(port)}checkout/cancel",
        "CONSOLE_URL": root_url(port).rstrip("/"),
        "UNSUBSCRIBE_URL": f"{root_url(port)}mails?token={{token}}",
        "CARD_REDEEM_URL": f"{root_url(port)}redeem?code={{code}}",
    }
    chosen |= {name: os.environ.get(name) or text for name, text in SELLER.items()}
    kept = kept_secrets()
    # A demo that was started before there was a chain has no such secret.
    chosen["LEDGER_SIGNING_SECRET"] = hashlib.sha256(kept["JWT_SECRET"].encode() + b"ledger").hexdigest()
    chosen["CARD_CODE_SECRET"] = hashlib.sha256(kept["JWT_SECRET"].encode() + b"cards").hexdigest()
    return inherited | chosen | kept | (sandbox_environment(port) if uses_sandbox() else {})


def kept_secrets() -> dict[str, str]:
    """Return the demo's secrets; they are made at its first start and kept, so tokens survive a restart."""
    try:
        SECRETS.parent.mkdir(mode=0o700, exist_ok=True)
        if not SECRETS.exists():
            draft = SECRETS.with_suffix(f".{secrets.token_hex(8)}")
            new = {"SECRET_KEY": secrets.token_urlsafe(50), "JWT_SECRET": secrets.token_urlsafe(50)}
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as file:
                json.dump(new, file)
            try:
                os.link(draft, SECRETS)
            except FileExistsError:
                pass  # another demo was first; its secrets are used
            finally:
                draft.unlink()
        kept: dict[str, str] = json.loads(SECRETS.read_text())
    except (OSError, ValueError) as error:
        raise DemoError(f"{SECRETS} cannot be used: {error}. Remove it to get new secrets.") from error
    return kept


def uses_sandbox() -> bool:
    """Tell whether card payments use the sandbox: they do unless the caller's environment has a Stripe key."""
    return not os.environ.get("STRIPE_SECRET_KEY")


def sandbox_environment(port: int) -> dict[str, str]:
    """Return the variables that point the service at the sandbox; its keys are derived from the kept secrets."""
    seed = kept_secrets()["JWT_SECRET"].encode()
    key, webhook = (hashlib.sha256(seed + name).hexdigest()[:32] for name in (b"secret", b"webhook"))
    return {
        "STRIPE_API_BASE": f"http://{ADDRESS}:{sandbox_port(port)}",
        "STRIPE_SECRET_KEY": f"sk_test_{key}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{webhook}",
    }
