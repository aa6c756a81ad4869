"""`python -m config.devtools.stripe_sandbox`: the sandbox in the foreground, until SIGTERM or Ctrl-C.

Every option has an environment variable beside it; secrets are better given there, where `ps` does not show them.
It refuses to run unless DEBUG=1 or DEMO=1 says that this is no production.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from config.devtools.stripe_sandbox.errors import StripeError
from config.devtools.stripe_sandbox.sandbox import Beginning, Sandbox
from config.devtools.stripe_sandbox.server import Server
from config.devtools.stripe_sandbox.store import StateInUse

DEFAULT_PORT = 12111
HIGHEST_PORT = 65535


class Refused(Exception):
    """It cannot start; the message says why."""


def options(arguments: list[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """What the command line says, and the environment where that is silent."""
    parser = argparse.ArgumentParser(
        prog="python -m config.devtools.stripe_sandbox", description="A stand-in for Stripe."
    )
    parser.add_argument("--port", type=int, default=environment.get("STRIPE_SANDBOX_PORT") or str(DEFAULT_PORT))
    parser.add_argument(
        "--state", default=environment.get("STRIPE_SANDBOX_STATE"), help="SQLite file; without: memory"
    )
    parser.add_argument(
        "--secret-key",
        action="append",
        help="sk_test_…, repeatable; or STRIPE_SANDBOX_SECRET_KEY, comma-separated, or STRIPE_SECRET_KEY",
    )
    parser.add_argument("--webhook-url", default=environment.get("STRIPE_SANDBOX_WEBHOOK_URL"))
    parser.add_argument(
        "--webhook-secret",
        default=environment.get("STRIPE_SANDBOX_WEBHOOK_SECRET") or environment.get("STRIPE_WEBHOOK_SECRET"),
    )
    parser.add_argument(
        "--public-url",
        default=environment.get("STRIPE_SANDBOX_PUBLIC_URL"),
        help="where browsers reach it, if not http://127.0.0.1:PORT",
    )
    parser.add_argument(
        "--stop-with-stdin",
        action="store_true",
        help="stop when standard input closes, so that it cannot outlive the test that started it",
    )
    told = parser.parse_args(arguments)
    if not told.secret_key:
        keys = environment.get("STRIPE_SANDBOX_SECRET_KEY") or environment.get("STRIPE_SECRET_KEY") or ""
        told.secret_key = [key.strip() for key in keys.split(",") if key.strip()]
    return told


def refuse_production(environment: Mapping[str, str]) -> None:
    """Raise Refused where the service beside it would run in production."""
    if not any(environment.get(name) == "1" for name in ("DEBUG", "DEMO")):
        raise Refused("The Stripe sandbox is for the demo and tests: neither DEBUG=1 nor DEMO=1 is set.")


def build(told: argparse.Namespace) -> Server:
    """Bind the port and open the state.

    Raises: Refused where either is not to be had, or an option is malformed.
    """
    if not 0 <= told.port <= HIGHEST_PORT:
        raise Refused(f"A port is a number up to {HIGHEST_PORT}, 0 for any that is free.")
    if bool(told.webhook_url) and not told.webhook_secret:
        raise Refused("A webhook URL needs a webhook secret.")
    try:
        server = Server(told.port, told.public_url)
    except OSError as error:
        raise Refused(f"Port {told.port} cannot be used: {error.strerror}.") from error
    beginning = Beginning(
        base_url=server.base_url,
        state=Path(told.state) if told.state else None,
        secret_keys=tuple(told.secret_key),
        webhook_url=told.webhook_url,
        webhook_secret=told.webhook_secret,
    )
    try:
        server.sandbox = Sandbox(beginning)
    except (StripeError, StateInUse) as error:
        server.server_close()
        raise Refused(str(error)) from error
    return server


def serve(server: Server, *, stop_with_stdin: bool) -> None:
    """Serve until a signal, or the end of standard input, says stop."""

    def stop(number: int, frame: object) -> None:
        # shutdown() waits for the loop that this very thread runs.
        threading.Thread(target=server.shutdown, daemon=True).start()

    def wait_for_end() -> None:
        # Below Python's own buffer, whose lock a thread may not hold when the interpreter ends.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        server.shutdown()

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)
    if stop_with_stdin:
        threading.Thread(target=wait_for_end, daemon=True).start()
    server.sandbox.start()
    print(f"Stripe sandbox ready at {server.base_url}", flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.sandbox.stop()
        server.server_close()


def main() -> int:
    """Run it."""
    try:
        refuse_production(os.environ)
        told = options(sys.argv[1:], os.environ)
        serve(build(told), stop_with_stdin=told.stop_with_stdin)
    except Refused as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
