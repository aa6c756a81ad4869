"""The metrics of a running web server, and what it says while it drains."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.bench.web import Web, serving

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-at-least-thirty-two-characters"
DRAIN_SECONDS = 2


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[Web]:
    with serving(workers=2, threads=2, more={"METRICS_TOKEN": TOKEN, "DRAIN_SECONDS": str(DRAIN_SECONDS)}) as server:
        yield server


def fetch(web: Web, path: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{web.port}{path}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_token_is_needed_and_all_processes_are_counted(web: Web) -> None:
    for token in ("", "another", TOKEN[:-1]):
        assert fetch(web, "/metrics", token)[0] == 401
    for _ in range(20):
        assert fetch(web, "/api/catalog/plans")[0] == 200
    status, text = fetch(web, "/metrics", TOKEN)
    counted = 'qasima_http_request_seconds_count{method="GET",route="api/catalog/plans",status="200"} 20.0'
    assert (status, counted in text.splitlines()) == (200, True)
    assert "qasima_database_up 1.0" in text
    assert "qasima_pool_size{pid=" not in text


def test_a_process_that_drains_serves_on_and_is_not_ready(web: Web) -> None:
    os.kill(web.pid, signal.SIGTERM)
    while (answer := fetch(web, "/readyz"))[0] == 200:
        pass
    assert (answer[0], json.loads(answer[1])["code"]) == (503, "draining")
    assert fetch(web, "/healthz")[0] == 200
    assert fetch(web, "/api/catalog/plans")[0] == 200
