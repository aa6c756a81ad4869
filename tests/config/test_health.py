import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

PROJECT = Path(__file__).resolve().parents[2]


def test_the_process_is_up(client: Client, django_assert_num_queries: Any) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_a_migrated_database_is_ready(client: Client, django_assert_num_queries: Any) -> None:
    client.get("/readyz")
    with django_assert_num_queries(1):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM django_migrations WHERE name = (SELECT max(name) FROM django_migrations WHERE app = 'billing')",
        "DELETE FROM django_migrations WHERE app = 'sessions'",
        "TRUNCATE django_migrations",
        "DROP TABLE django_migrations",
    ],
)
def test_a_database_that_lacks_a_migration_is_not_ready(client: Client, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "error": "the database lacks migrations",
        "code": "migrations_pending",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_may_use_any_host_name(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.head(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.post(path).status_code == 405


@pytest.mark.django_db
def test_a_probe_is_not_sent_to_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/readyz").status_code == 200
    assert client.get("/").status_code == 301


ASK_ALL = """
import json, django
from concurrent.futures import ThreadPoolExecutor
django.setup()
from django.test import Client
def ask(path):
    answer = Client(raise_request_exception=False).get(path)
    body = answer.json() if "json" in answer.headers["Content-Type"] else None
    return path, [answer.status_code, body, answer.headers.get("Retry-After")]
print(json.dumps(dict(ThreadPoolExecutor(5).map(ask, ["/healthz", "/readyz", "/", "/api/catalog/plans"]))))
"""


def test_without_its_database_the_process_is_not_ready() -> None:
    environment = {
        "PATH": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "JWT_SECRET": settings.JWT_SECRET,
        "ALLOWED_HOSTS": "testserver",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL], env=environment, cwd=PROJECT, capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout)
    unavailable = {
        "error": "the service is temporarily unavailable: try again",
        "code": "database_unavailable",
    }
    assert answers == {
        "/healthz": [200, {"status": "ok"}, None],
        "/readyz": [
            503,
            {
                "status": "unavailable",
                "error": "the database cannot be reached",
                "code": "database_unavailable",
            },
            None,
        ],
        "/": [200, None, None],
        "/api/catalog/plans": [503, unavailable, "5"],
    }
