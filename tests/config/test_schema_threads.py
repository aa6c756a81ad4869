"""The OpenAPI schema from several threads at once, in a process that has not made it yet."""

import json

from tests.config.test_settings import COMPLETE, run

THREADS = 8
ASK = """
import hashlib, json, django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest.mock import patch
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

made = []
original = SchemaGenerator.get_schema
def counted(self, *args, **kwargs):
    made.append(1)
    return original(self, *args, **kwargs)
together = Barrier(%d)
def ask(number):
    together.wait()
    answer = Client(raise_request_exception=False).get("/api/schema", headers={"Host": "shop.example.om"})
    return answer.status_code, hashlib.sha256(answer.content).hexdigest()
with patch.object(SchemaGenerator, "get_schema", counted):
    answers = list(ThreadPoolExecutor(%d).map(ask, range(%d))) + list(ThreadPoolExecutor(%d).map(ask, range(%d)))
print(json.dumps([sorted({status for status, _ in answers}), len({body for _, body in answers}), len(made)]))
"""


def test_the_schema_is_made_once_and_the_same_in_every_thread() -> None:
    done = run(ASK % ((THREADS,) * 5), COMPLETE)
    assert done.returncode == 0, done.stderr
    statuses, bodies, made = json.loads(done.stdout.splitlines()[-1])
    assert (statuses, bodies, made) == ([200], 1, 1)
