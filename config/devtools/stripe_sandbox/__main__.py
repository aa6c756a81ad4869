"""`python -m config.devtools.stripe_sandbox`: runs the sandbox in the foreground, until SIGTERM or Ctrl-C.

Each option can be set by an environment variable. Pass secrets that way, because `ps` shows options.
It refuses to run in production, that is, unless DEBUG=1 or DEMO=1.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from config.devtools.stripe_sandbox.protocol.errors import StripeError
from config.devtools.stripe_sandbox.sandbox import Sandbox, StartOptions
from config.devtools.stripe_sandbox.server import SandboxServer
from config.devtools.stripe_sandbox.store import StateInUse

DEFAULT_PORT = 12111
MAX_PORT = 65535


class Refused(Exception):
    """The sandbox cannot start. The message says why."""


def parse_arguments(words: list[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """Parse the command line. The environment gives the defaults."""
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
    arguments = parser.parse_args(words)
    if not arguments.secret_key:
        keys = environment.get("STRIPE_SANDBOX_SECRET_KEY") or environment.get("STRIPE_SECRET_KEY") or ""
        arguments.secret_key = [key.strip() for key in keys.split(",") if key.strip()]
    return arguments


def refuse_production(environment: Mapping[str, str]) -> None:
    """Raise Refused unless DEBUG=1 or DEMO=1."""
    if not any(environment.get(name) == "1" for name in ("DEBUG", "DEMO")):
        raise Refused("The Stripe sandbox is for the demo and tests: neither DEBUG=1 nor DEMO=1 is set.")


def build(arguments: argparse.Namespace) -> SandboxServer:
    """Bind the port and open the state.

    Raises: Refused if the port or the state is in use, or an option is malformed.
    """
    if not 0 <= arguments.port <= MAX_PORT:
        raise Refused(f"A port is a number up to {MAX_PORT}, 0 for any that is free.")
    if bool(arguments.webhook_url) and not arguments.webhook_secret:
        raise Refused("A webhook URL needs a webhook secret.")
    try:
        server = SandboxServer(arguments.port, arguments.public_url)
    except OSError as error:
        raise Refused(f"Port {arguments.port} cannot be used: {error.strerror}.") from error
    start_options = StartOptions(
        base_url=server.base_url,
        state=Path(arguments.state) if arguments.state else None,
        secret_keys=tuple(arguments.secret_key),
        webhook_url=arguments.webhook_url,
        webhook_secret=arguments.webhook_secret,
    )
    try:
        server.sandbox = Sandbox(start_options)
    except (StripeError, StateInUse) as error:
        server.server_close()
        raise Refused(str(error)) from error
    return server


def serve(server: SandboxServer, *, stop_with_stdin: bool) -> None:
    """Serve until a signal arrives, or until standard input closes if `stop_with_stdin` is set."""

    def stop(number: int, frame: object) -> None:
        # shutdown() waits for the serving loop, which runs in this thread, so call it from another thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    def wait_for_end() -> None:
        # Read below Python's buffer: a thread must not hold that buffer's lock when the interpreter ends.
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
    """Run the sandbox. Return its exit status."""
    try:
        refuse_production(os.environ)
        arguments = parse_arguments(sys.argv[1:], os.environ)
        serve(build(arguments), stop_with_stdin=arguments.stop_with_stdin)
    except Refused as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
