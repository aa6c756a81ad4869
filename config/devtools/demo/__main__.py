"""`make demo`: a whole Sovereign on this machine, for as long as this process is in the foreground.

It brings up the embedded PostgreSQL, migrates, seeds, and runs the web server, the worker and a Stripe sandbox
as children.
Ctrl-C or SIGTERM stops them all. A child that dies is started again, and one that keeps dying ends the demo
with status 1. A supervisor that is killed takes its children along (Linux), and PostgreSQL stops when its
last user is gone.

Standard library only: it starts before anything is known to work.
"""

import ctypes
import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config.devtools.embedded_postgres import EmbeddedPostgresError, ensure_running, lease_descriptor, release

CHECKOUT = Path(__file__).resolve().parents[3]
KEYS = CHECKOUT / ".data" / "demo.json"
ADDRESS = "127.0.0.1"
DEFAULT_PORT = "8000"
HIGHEST_PORT = 65535
OK = 200
READY_SECONDS = 60
STOP_SECONDS = 15
POLL_SECONDS = 0.1
WATCH_SECONDS = 1
MOST_RESTARTS = 3
RESTART_WINDOW_SECONDS = 60
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_PASSED_ON = ("DATABASE_URL", "DEBUG")
SANDBOX_PORT_ABOVE = 1000
SANDBOX_STATE = CHECKOUT / ".data" / "stripe-sandbox.sqlite"
MANAGE = str(CHECKOUT / "manage.py")


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Stopped(Exception):
    """Somebody asked the demo to stop."""


def request_stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave whatever is being done; being asked again changes nothing."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


class Child:
    """A program that the demo keeps running."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], lease: int) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.lease = lease
        self.died_at: list[float] = []
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that Ctrl-C reaches only the supervisor."""
        return subprocess.Popen(  # noqa: S603
            self.command,
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(self.lease,),
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has no threads
        )

    def watch(self) -> None:
        """Start it again if it has died.

        Raises:
            DemoError: it has died too often.
        """
        status = self.process.poll()
        if status is None:
            return
        now = time.monotonic()
        self.died_at = [at for at in self.died_at if now - at < RESTART_WINDOW_SECONDS] + [now]
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if len(self.died_at) > MOST_RESTARTS:
            raise DemoError(f"The {self.name} {how}, once too often.")
        say(f"The {self.name} {how}; starting it again.")
        self.process = self.start()


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """Return what a child does before it becomes its program, so that the supervisor's death ends it too."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def say(line: str) -> None:
    """Tell the person at the terminal."""
    print(line, flush=True)


def chosen_port() -> int:
    """Return the port to serve on.

    Raises:
        DemoError: PORT is no port, or another program has it or the sandbox's.
    """
    text = os.environ.get("PORT") or DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT - SANDBOX_PORT_ABOVE:
        raise DemoError(f"PORT must be a number from 1 to {HIGHEST_PORT - SANDBOX_PORT_ABOVE}, not '{text}'.")
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
    """Return the Stripe sandbox's port, a fixed distance from the web server's."""
    return port + SANDBOX_PORT_ABOVE


def demo_keys() -> dict[str, str]:
    """Return the demo's own secrets, made on its first start and kept, so that tokens outlive a restart."""
    try:
        KEYS.parent.mkdir(mode=0o700, exist_ok=True)
        if not KEYS.exists():
            draft = KEYS.with_suffix(f".{secrets.token_hex(8)}")
            new = {"SECRET_KEY": secrets.token_urlsafe(50), "JWT_SECRET": secrets.token_urlsafe(50)}
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as file:
                json.dump(new, file)
            try:
                os.link(draft, KEYS)
            except FileExistsError:
                pass  # another demo was first, and its keys count
            finally:
                draft.unlink()
        kept: dict[str, str] = json.loads(KEYS.read_text())
    except (OSError, ValueError) as error:
        raise DemoError(f"{KEYS} cannot be used: {error}. Remove it to get new keys.") from error
    return kept


def demo_environment(port: str) -> dict[str, str]:
    """Return the environment of all the demo runs; a database that the caller names is not touched."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    chosen = {
        "DEMO": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": f"{ADDRESS},localhost",
        "BIND_ADDRESS": ADDRESS,
        "PORT": port,
        "WEB_CONCURRENCY": "2",
        "PYTHONUNBUFFERED": "1",
    }
    return environment | chosen | demo_keys() | stripe_environment(int(port))


def stripe_environment(port: int) -> dict[str, str]:
    """Return how Stripe is reached: the sandbox, unless the caller's environment brings test-mode keys of its own."""
    root = f"http://{ADDRESS}:{port}/"
    pages = {
        "CHECKOUT_SUCCESS_URL": f"{root}checkout/success?session={{CHECKOUT_SESSION_ID}}",
        "CHECKOUT_CANCEL_URL": f"{root}checkout/cancel",
    }
    if not uses_sandbox():
        return pages
    # Below it the sandbox refuses, as Stripe refuses less than about half a US dollar.
    sandbox = {"STRIPE_API_BASE": f"http://{ADDRESS}:{sandbox_port(port)}", "STRIPE_MINIMUM_CHARGE_MINOR": "200"}
    return pages | sandbox | demo_stripe_keys()


def uses_sandbox() -> bool:
    """Tell whether card payments go to the sandbox: the caller's environment brings no keys of its own."""
    return not os.environ.get("STRIPE_SECRET_KEY")


def demo_stripe_keys() -> dict[str, str]:
    """Return the sandbox's keys; they follow from the demo's own secret, so they are kept as long."""
    seed = demo_keys()["JWT_SECRET"].encode()
    made = {name: hashlib.sha256(seed + name.encode()).hexdigest()[:32] for name in ("secret", "webhook")}
    return {"STRIPE_SECRET_KEY": f"sk_test_{made['secret']}", "STRIPE_WEBHOOK_SECRET": f"whsec_{made['webhook']}"}


def run_command(arguments: list[str], environment: dict[str, str]) -> str:
    """Run a command of Python to its end and return what it printed.

    Raises:
        DemoError: it failed, with what it said.
    """
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has no threads
    )
    try:
        said = process.communicate()[0]
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise DemoError(f"{said.rstrip()}\nmanage.py {arguments[0]} failed.")
    return said.rstrip()


def sandbox_command(port: int, environment: dict[str, str]) -> list[str]:
    """Return the command of the Stripe sandbox, which signs its events for our own webhook."""
    path = f"{environment.get('API_PREFIX', 'api/').strip('/')}/billing/webhook".lstrip("/")
    options = {
        "--port": str(sandbox_port(port)),
        "--state": str(SANDBOX_STATE),
        "--webhook-url": f"http://{ADDRESS}:{port}/{path}",
        "--webhook-secret": environment["STRIPE_WEBHOOK_SECRET"],
    }
    return [
        sys.executable,
        "-m",
        "config.devtools.stripe_sandbox",
        *(each for pair in options.items() for each in pair),
    ]


def is_ready(port: int) -> bool:
    """Tell whether the web server says that it can serve."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_ready(children: list[Child], port: int) -> None:
    """Return when the demo can be used.

    Raises:
        DemoError: it takes too long, or a child keeps dying.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        for child in children:
            child.watch()
        if time.monotonic() > deadline:
            raise DemoError(f"The web server did not become ready within {READY_SECONDS} seconds.")
        time.sleep(POLL_SECONDS)


def stop_children(children: list[Child]) -> None:
    """End every child: asked first, then by force."""
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def run_demo() -> NoReturn:
    """Serve until somebody asks to stop.

    Raises:
        DemoError, EmbeddedPostgresError: it cannot be started, or cannot go on.
    """
    children: list[Child] = []
    try:
        port = chosen_port()
        environment = demo_environment(str(port))
        say("Starting PostgreSQL ...")
        ensure_running()
        say("Preparing the database ...")
        run_command([MANAGE, "migrate", "--no-input", "--verbosity=0"], environment)
        run_command([MANAGE, "seed_catalog"], environment)
        logins = run_command(["-m", "config.devtools.demo.seed"], environment)
        lease = lease_descriptor()
        if uses_sandbox():
            children.append(Child("Stripe sandbox", sandbox_command(port, environment), environment, lease))
        server = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn"]
        children.append(Child("web server", server, environment, lease))
        children.append(Child("worker", [sys.executable, MANAGE, "procrastinate", "worker"], environment, lease))
        wait_until_ready(children, port)
        say_ready(port, logins)
        while True:
            for child in children:
                child.watch()
            ensure_running()  # its keeper may have been killed
            time.sleep(WATCH_SECONDS)
    finally:
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        stop_children(children)
        release()


def say_ready(port: int, logins: str) -> None:
    """Print the address and how to come in."""
    prefix = os.environ.get("API_PREFIX", "api/").strip("/")
    root = f"http://{ADDRESS}:{port}/"
    say(f"\nQasima is ready at {root} (this machine only)")
    say(f"  console   {root}admin/")
    say(f"  API       {root}{f'{prefix}/' if prefix else ''}docs")
    if uses_sandbox():
        say(f"  payments  http://{ADDRESS}:{sandbox_port(port)}/ (a Stripe sandbox: no real card is charged)")
    say(logins)
    say("A bearer token of a customer: make token SUB=ada EMAIL=ada@example.org")
    say("Ctrl-C stops everything; the data stays in .data for the next start.\n")


def print_token() -> None:
    """Print a bearer token that the running demo accepts, for SUB, EMAIL and ROLE of the environment."""
    subject = os.environ.get("SUB") or "ada"
    email = os.environ.get("EMAIL") or f"{subject}@example.org"
    options = [f"--email={email}", f"--role={os.environ.get('ROLE') or 'customer'}"]
    ensure_running()
    say(run_command([MANAGE, "issue_token", *options, "--", subject], demo_environment(DEFAULT_PORT)))


def main() -> int:
    """Run the demo, or print a token for it."""
    for each in STOP_SIGNALS:
        signal.signal(each, request_stop)
    try:
        if sys.argv[1:] == ["token"]:
            print_token()
            return 0
        run_demo()
    except Stopped:
        say("\nThe demo has stopped. Goodbye.")
        return 0
    except (DemoError, EmbeddedPostgresError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
