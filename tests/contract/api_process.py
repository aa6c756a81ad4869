"""A second process of the service, which answers requests with caches of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from tests.database import database_environment

_PROGRAM = """
import json, sys
import django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
for line in sys.stdin:
    method, path, body, headers = json.loads(line)
    given = json.dumps(body) if body is not None else ""
    answer = client.generic(method, path, given, content_type="application/json", headers=headers)
    content, is_json = answer.getvalue(), answer.headers.get("Content-Type", "").startswith("application/json")
    body = json.loads(content) if content and is_json else None
    print(json.dumps([answer.status_code, body, dict(answer.headers)]), flush=True)
"""


class ApiProcess:
    """Sends requests to the other process, one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Return the status, the body and the headers of the answer."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([method, path, body, dict(headers or {})]), file=self._process.stdin, flush=True)
        status, shown, answered = json.loads(self._process.stdout.readline())
        return status, shown, answered


@contextmanager
def api_process(**environment: str) -> Iterator[ApiProcess]:
    """Start a process of the service on the tests' database, and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "1",
            "ALLOWED_HOSTS": "testserver",
            "LOG_LEVEL": "ERROR",
            "JWT_SECRET": settings.JWT_SECRET,
            **database_environment(),
            **environment,
        },
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        # The end of the block closes its input, and that ends it.
        yield ApiProcess(process)
