"""Starting and stopping: refused in production, loopback only, clean exit."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.stripe_sandbox.sandbox_process import CHECKOUT, SECRET_KEY, SandboxProcess

COMMAND = [sys.executable, "-m", "config.devtools.stripe_sandbox"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DEBUG", "DEMO")}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=CHECKOUT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("environment", [{}, {"DEBUG": "0", "DEMO": "0"}, {"DEBUG": ""}])
def test_production_is_refused(environment: dict[str, str]) -> None:
    done = run("--port=0", **environment)
    assert done.returncode == 1
    assert "neither DEBUG=1 nor DEMO=1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port=99999",), "A port is a number"),
        (("--port=0", "--secret-key=sk_live_1234567"), "is sk_test_"),
        (("--port=0", "--webhook-url=http://127.0.0.1:1/"), "needs a webhook secret"),
        (("--port=0", "--webhook-url=nowhere", "--webhook-secret=whsec_x"), "Not a valid URL"),
        (("--port=0", "--webhook-url=http://127.0.0.1:1/", "--webhook-secret=x"), "begins with whsec_"),
        (("--port=0", "--state=/dev/null/x"), "cannot be used"),
    ],
)
def test_invalid_arguments_are_reported(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments, DEMO="1")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert message in done.stderr


def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(state)) as database:
        database.execute("PRAGMA user_version = 99")
    done = run("--port=0", f"--state={state}", DEMO="1")
    assert (done.returncode, "another version" in done.stderr) == (1, True)
    state.write_text("This is no database. " * 100)
    done = run("--port=0", f"--state={state}", DEMO="1")
    assert (done.returncode, "cannot be used" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_port_in_use_is_reported(sandbox: SandboxProcess) -> None:
    done = run(f"--port={sandbox.port}", DEMO="1")
    assert done.returncode == 1
    assert f"Port {sandbox.port} cannot be used" in done.stderr


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_sandbox_cleanly(by: signal.Signals, tmp_path: Path) -> None:
    with SandboxProcess(state=tmp_path / "state.sqlite") as sandbox:
        sandbox.client().v1.customers.create({})
        assert sandbox.stop(by) == 0
        assert sandbox.error_output() == ""
        assert (tmp_path / "state.sqlite").stat().st_mode & 0o077 == 0


def test_a_delayed_request_does_not_delay_the_stop(tmp_path: Path) -> None:
    with SandboxProcess() as sandbox:
        sandbox.fault(effect="delay", seconds=600)
        with socket.create_connection(("127.0.0.1", sandbox.port)) as waiting:
            request = f"GET /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET_KEY}\r\n\r\n"
            waiting.sendall(request.encode())
            while not sandbox.requests():
                pass
            assert sandbox.stop() == 0
            assert sandbox.error_output() == ""


def test_foreign_pages_cannot_use_the_control_api(sandbox: SandboxProcess) -> None:
    assert sandbox.request("POST", "/_sandbox/reset", b"{}", {"Host": "evil.example"}).status == 403
    assert sandbox.request("POST", "/_sandbox/reset", b"{}", {"Sec-Fetch-Site": "cross-site"}).status == 403
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1:x"):
        assert sandbox.request("POST", "/_sandbox/reset", b"{}", {"Origin": origin}).status == 403
        assert sandbox.request("GET", "/_sandbox/requests", b"", {"Origin": origin}).status == 403
    assert sandbox.request("POST", "/_sandbox/reset", b"{}", {"Origin": sandbox.url}).status == 200
    assert sandbox.request("POST", "/_sandbox/nothing", b"{}").status == 404
    assert sandbox.request("POST", "/_sandbox/faults", b"[1").status == 400
    assert sandbox.request("POST", "/_sandbox/webhooks", b'{"copies": "many"}').status == 400
    assert sandbox.request("POST", "/_sandbox/clock", b'{"months": "many"}').status == 400


def test_only_the_loopback_address_listens(sandbox: SandboxProcess) -> None:
    addresses = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((str(address), sandbox.port)) != 0
