"""Does one piece of bulk work in a process of its own, and prints a line after each part, to be killed there."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch
from uuid import UUID

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from billing.actor import system_actor
from billing.use_cases.bulk.run_bulk_grant import run_in_chunks
from promos.models import Batch, PromoCode
from promos.use_cases.cards import generate_cards
from promos.use_cases.cards.export_cards import export_csv
from promos.use_cases.code_import import import_codes as code_import
from promos.use_cases.code_import.read_codes import read_codes
from promos.use_cases.issue_code import issue_code

PART = 5


def grant(key: str) -> Iterator[object]:
    yield from run_in_chunks(bulk_grant_id=UUID(key), size=PART)


def generate(key: str) -> Iterator[object]:
    batch = Batch.objects.get(pk=int(key))
    while batch.generated < batch.size:
        batch.generated = generate_cards._generate_chunk(batch, count=PART)
        yield batch.generated


def export(key: str) -> Iterator[object]:
    yield from export_csv(Batch.objects.get(pk=int(key)))


def import_codes(content: str) -> Iterator[object]:
    rows = read_codes(content.encode()).rows

    def issue_and_wait(**arguments: Any) -> PromoCode:
        code = issue_code(**arguments)
        print(code, flush=True)
        sys.stdin.readline()
        return code

    with patch.object(code_import, "issue_code", issue_and_wait):
        yield code_import.import_codes(rows=rows, by=system_actor(channel="command"), reason="a new list")


WORK: dict[str, Callable[[str], Iterator[object]]] = {
    "grant": grant,
    "generate": generate,
    "export": export,
    "import": import_codes,
}

if __name__ == "__main__":
    for part in WORK[sys.argv[1]](sys.argv[2]):
        print(part, flush=True)
        # Goes on when the parent says so.
        sys.stdin.readline()
