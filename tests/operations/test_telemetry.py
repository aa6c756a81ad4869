"""A running web server and worker send traces and error reports, and no secret is in them."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.bench.web import Web, bearer, serving, web_environment
from tests.config.telemetry.collector import Collector, attributes, collecting
from tests.database import PROJECT

pytestmark = pytest.mark.usefixtures("committing_processes")
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
ADDRESS, CODE, PASSWORD = "ada.secret@example.org", "SECRET-CODE-77", "pass-word-secret"
QUERY = "query-secret"


@pytest.fixture(scope="module")
def collector(committing_processes: None) -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def settings_of_processes(collector: Collector) -> dict[str, str]:
    return {
        **collector.settings,
        "OIDC_ISSUER": f"http://127.0.0.1:{collector.port}",
        "OIDC_CLIENT_ID": "qasima",
        "AUTH_REDIRECT_ORIGINS": "https://shop.example.om",
        "EMAIL_URL": "smtp://127.0.0.1:9",
        "LOG_LEVEL": "INFO",
    }


@pytest.fixture(scope="module")
def web(settings_of_processes: dict[str, str]) -> Iterator[Web]:
    with serving(workers=1, threads=2, more={**settings_of_processes, "TRUSTED_PROXIES": "127.0.0.1"}) as server:
        yield server


@contextmanager
def worker(settings: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "manage.py", "procrastinate", "worker"]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**web_environment(port=0), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def send(web: Web, method: str, path: str, body: Any = None, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    content = None if body is None else json.dumps(body)
    connection.request(method, f"/api/{path}", content, {"Content-Type": "application/json", **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_requests_jobs_statements_and_outgoing_requests_have_spans_without_secrets(
    web: Web, collector: Collector, settings_of_processes: dict[str, str]
) -> None:
    staff = bearer("staff-secret", role="superadmin")
    login = {"email": ADDRESS, "password": PASSWORD}
    signed = {"Authorization": f"Bearer {staff}"}
    assert (
        send(web, "POST", f"billing/vouchers/redeem-preview?token={QUERY}", {"code": CODE}, traceparent=TRACEPARENT)
        == 404
    )
    assert send(web, "POST", "billing/vouchers/issue", {"code": CODE, "credit_minor": 987654}, **signed) == 200
    assert send(web, "DELETE", f"billing/vouchers/revoke/{CODE}", **signed) == 200
    assert send(web, "POST", "auth/login", login) == 401
    assert send(web, "GET", f"auth/google?redirect_uri=https://shop.example.om/{QUERY}") == 503
    assert send(web, "POST", "auth/magic-link", {"email": ADDRESS}) == 200
    preview = collector.wait_for("POST /api/billing/vouchers/redeem-preview")
    assert preview.trace_id.hex() == TRACE
    assert attributes(preview)["http.response.status_code"] == 404
    assert "SELECT" in {each.name for each in collector.children(preview)}
    assert collector.wait_for("DELETE /api/billing/vouchers/revoke/<str:code>")
    outgoing = [attributes(each) for each in collector.children(collector.wait_for("GET /api/auth/google"))]
    assert {"http.request.method": "GET", "server.address": "127.0.0.1", "http.response.status_code": 200} in outgoing
    report = collector.wait_for_report("identity_provider_names_another_issuer")
    assert set(report["tags"]) == {"request_id"}
    with worker(settings_of_processes):
        job = collector.wait_for("job send_sign_in_code")
    assert attributes(job)["error.type"] == "ConnectionRefusedError"
    request = collector.wait_for("POST /api/auth/magic-link")
    assert (job.trace_id, job.parent_span_id) == (request.trace_id, request.span_id)
    assert "SELECT" in {each.name for each in collector.children(job)}
    sent = b"".join(collector.received)
    secrets = (ADDRESS, CODE, PASSWORD, QUERY, staff, "staff-secret", "987654")
    assert [each for each in secrets if each.encode() in sent] == []
