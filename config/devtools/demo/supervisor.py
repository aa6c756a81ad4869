"""Starts the demo's programs, keeps them running, and stops them."""

import http.client
import sys
import time
from typing import NoReturn

from config.devtools.demo.children import CHECKOUT, MANAGE, Child, run_python, stop_children
from config.devtools.demo.environment import (
    ADDRESS,
    api_prefix,
    choose_port,
    demo_environment,
    root_url,
    sandbox_port,
    uses_sandbox,
)
from config.devtools.demo.errors import DemoError
from config.devtools.demo.signals import ignore_stop_signals
from config.devtools.embedded_postgres import ensure_running, lease_descriptor, release

SANDBOX_STATE = CHECKOUT / ".data" / "stripe-sandbox.sqlite"
READY_SECONDS = 60
POLL_SECONDS = 0.1
WATCH_SECONDS = 1
OK = 200


def run_demo() -> NoReturn:
    """Serve until a signal stops the demo.

    Raises:
        StopRequested: a signal asked the demo to stop.
        DemoError, EmbeddedPostgresError: it cannot start, or cannot continue.
    """
    children: list[Child] = []
    try:
        port = choose_port()
        environment = demo_environment(port)
        print("Starting PostgreSQL ...", flush=True)
        ensure_running()
        print("Preparing the database ...", flush=True)
        run_python([MANAGE, "migrate", "--no-input", "--verbosity=0"], environment)
        run_python([MANAGE, "seed_catalog"], environment)
        print("Writing three months of history, at the first start ...", flush=True)
        # The history's warnings are of the past.
        logins = run_python(seed_command(), environment | {"LOG_LEVEL": "ERROR"})
        lease = lease_descriptor()
        for name, command in programs(port).items():
            children.append(Child(name, command, environment, lease))
        wait_until_ready(children, port)
        print_welcome(port, logins)
        while True:
            for child in children:
                child.restart_if_dead()
            ensure_running()  # starts PostgreSQL again if it was killed
            time.sleep(WATCH_SECONDS)
    finally:
        ignore_stop_signals()
        stop_children(children)
        release()


def programs(port: int) -> dict[str, list[str]]:
    """Return the commands of the programs that the demo runs, by name."""
    sandbox = {"Stripe sandbox": sandbox_command(port)} if uses_sandbox() else {}
    return sandbox | {
        "web server": [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn"],
        "worker": [sys.executable, MANAGE, "procrastinate", "worker"],
    }


def seed_command() -> list[str]:
    """Return the command of the seed. It uses the sandbox's state, so it ends before the sandbox starts."""
    return ["-m", "config.devtools.demo.seed"] + ([str(SANDBOX_STATE)] if uses_sandbox() else [])


def sandbox_command(port: int) -> list[str]:
    """Return the command of the Stripe sandbox, which sends its events to the demo's webhook.

    It reads the keys from the environment, because other users of the machine can read a command line.
    """
    options = {
        "--port": str(sandbox_port(port)),
        "--state": str(SANDBOX_STATE),
        "--webhook-url": f"{root_url(port)}{api_prefix()}billing/webhook",
    }
    module = [sys.executable, "-m", "config.devtools.stripe_sandbox"]
    return module + [each for option in options.items() for each in option]


def wait_until_ready(children: list[Child], port: int) -> None:
    """Return when the web server is ready.

    Raises:
        DemoError: it takes too long, or a child ends too often.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        for child in children:
            child.restart_if_dead()
        if time.monotonic() > deadline:
            raise DemoError(f"The web server did not become ready within {READY_SECONDS} seconds.")
        time.sleep(POLL_SECONDS)


def is_ready(port: int) -> bool:
    """Tell whether the web server answers that it is ready."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def print_welcome(port: int, logins: str) -> None:
    """Print the addresses, the logins, and how to get a token."""
    root = root_url(port)
    lines = [
        f"\nQasima is ready at {root} (this machine only)",
        f"  console   {root}admin/",
        f"  API       {root}{api_prefix()}docs",
    ]
    if uses_sandbox():
        sandbox = f"http://{ADDRESS}:{sandbox_port(port)}/"
        lines.append(f"  payments  {sandbox} (a Stripe sandbox: no real card is charged)")
    lines += [
        logins,
        "A bearer token of a customer: make token SUB=ada EMAIL=ada@example.org",
        "Ctrl-C stops everything; the data stays in .data for the next start.\n",
    ]
    print("\n".join(lines), flush=True)
