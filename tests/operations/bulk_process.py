"""Does one piece of bulk work in a process of its own, and prints a line after each part, to be killed there."""

import os
import sys
from collections.abc import Callable, Iterator
from uuid import UUID

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()

from billing.use_cases.bulk.run_bulk_grant import run_in_chunks
from promos.models import Batch
from promos.use_cases.cards import generate_cards
from promos.use_cases.cards.export_cards import export_csv

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


WORK: dict[str, Callable[[str], Iterator[object]]] = {"grant": grant, "generate": generate, "export": export}

if __name__ == "__main__":
    for part in WORK[sys.argv[1]](sys.argv[2]):
        print(part, flush=True)
        # Goes on when the parent says so.
        sys.stdin.readline()
