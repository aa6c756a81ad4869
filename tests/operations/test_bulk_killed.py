"""Bulk work is killed with SIGKILL in the middle, and continued: nothing is done twice, and nothing is left out."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing.models import BulkGrant, LedgerEntry
from billing.use_cases.bulk.run_bulk_grant import run_bulk_grant
from billing.use_cases.bulk.start_bulk_grant import undo_bulk_grant
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.models import Batch, Card, PromoCode
from promos.use_cases.cards.change_batch import start_generation
from promos.use_cases.cards.export_cards import export_csv
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.code_import.import_codes import import_codes
from promos.use_cases.code_import.read_codes import read_codes
from tests.billing.bulk.make_grants import STAFF, running
from tests.database import database_environment
from tests.promos.cards.make_batch import active, approved

from .bulk_process import PART

pytestmark = pytest.mark.django_db(transaction=True)

PROJECT = Path(__file__).resolve().parents[2]
ALL = 4 * PART


def kill_in_the_middle(work: str, key: object, *, parts: int = 2) -> None:
    """Lets a process do so many parts of the work, and kills it while it is at work on the next one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.operations.bulk_process", work, str(key)],
        cwd=PROJECT,
        env=os.environ | database_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    with process:
        for _ in range(parts):
            assert process.stdout.readline(), process.wait()
            process.stdin.write("\n")
            process.stdin.flush()
        process.kill()
        assert process.wait() == -signal.SIGKILL


def granted_rows(found: BulkGrant) -> int:
    return found.entries.filter(status="granted").count()


def test_bulk_grant_and_its_undo_are_continued() -> None:
    found = running(*(f"user-{number},1" for number in range(ALL)))
    kill_in_the_middle("grant", found.pk)
    found.refresh_from_db()
    assert found.status == "running" and 2 * PART <= granted_rows(found) < ALL
    assert LedgerEntry.objects.count() == granted_rows(found) == found.progress
    run_bulk_grant(bulk_grant_id=found.pk)
    found.refresh_from_db()
    accounts = set(LedgerEntry.objects.values_list("account__customer__user_id", "amount_minor"))
    assert accounts == {(f"user-{number}", 1_000) for number in range(ALL)}
    assert (found.status, granted_rows(found), LedgerEntry.objects.count()) == ("done", ALL, ALL)
    undo_bulk_grant(bulk_grant_id=found.pk, by=STAFF, reason="the wrong list")
    kill_in_the_middle("grant", found.pk)
    found.refresh_from_db()
    assert found.status == "undoing" and 0 < granted_rows(found) <= 2 * PART
    run_bulk_grant(bulk_grant_id=found.pk)
    assert found.entries.filter(status="undone").count() == ALL
    assert LedgerEntry.objects.filter(kind="reversal").count() == ALL
    assert verify_ledger().sound


def test_generation_of_cards_is_continued() -> None:
    batch = approved(size=ALL)
    start_generation(batch=batch, by=STAFF, reason="go")
    kill_in_the_middle("generate", batch.pk)
    batch = Batch.objects.get(pk=batch.pk)
    assert 2 * PART <= batch.generated == Card.objects.filter(batch=batch).count() < ALL
    assert generate_cards(batch_id=batch.pk) == ALL
    cards = Card.objects.filter(batch=batch).values_list("serial", "code")
    assert sorted(serial for serial, _ in cards) == list(range(batch.first_serial, batch.last_serial + 1))
    assert len({code for _, code in cards}) == ALL


def test_import_of_codes_is_all_or_nothing_and_is_repeated() -> None:
    content = "\n".join(["code,credit,cap", *(f"EID-{number},5,1" for number in range(ALL))])
    kill_in_the_middle("import", content, parts=3)
    assert not PromoCode.objects.filter(code__startswith="EID-").exists()
    for issued in (ALL, 0):
        report = import_codes(rows=read_codes(content.encode()).rows, by=STAFF, reason="a new list")
        assert (report.issued, report.already) == (issued, ALL - issued)
    assert PromoCode.objects.filter(code__startswith="EID-").count() == ALL


def test_export_that_was_killed_is_complete_when_repeated() -> None:
    batch = active(size=ALL)
    kill_in_the_middle("export", batch.pk, parts=3)
    lines = list(export_csv(batch))
    assert [int(line.partition(",")[0]) for line in lines[1:]] == sorted(
        Card.objects.filter(batch=batch).values_list("serial", flat=True)
    )
