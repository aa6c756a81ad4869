"""The command that acts on the cards of a CSV file: a dry run, bad rows by line, and the act."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import AuditEntry
from promos.models import Batch
from tests.factories import CustomerFactory
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.snapshot import nothing_changes

from .make_ranges import dealer, ranges_of

pytestmark = pytest.mark.django_db(transaction=True)


def run(batch: str, act: str, path: Path, **options: Any) -> str:
    out = StringIO()
    call_command("act_on_cards", batch, act, str(path), why="as agreed", by="noor", stdout=out, **options)
    return out.getvalue().strip()


def write(path: Path, batch: Batch, *numbers: int | str) -> Path:
    rows = [str(batch.first_serial + number - 1) if isinstance(number, int) else number for number in numbers]
    path.write_bytes("\r\n".join(["\ufeffserial;note", *(f"{row};x" for row in rows)]).encode())
    return path


def test_file_is_checked_by_a_dry_run_and_acted_on_once(tmp_path: Path) -> None:
    batch = active(size=8)
    dealer()
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    path = write(tmp_path / "box.csv", batch, 1, 3, 4, 7)
    with nothing_changes():
        output = run("shops-1", "allocate", path, dealer="muscat mall", dry_run=True)
    assert output == "it would be changed: 3 of 4 cards; 1 redeemed already"
    assert run("shops-1", "allocate", path, dealer="muscat mall") == "changed: 3 of 4 cards; 1 redeemed already"
    held = [(first, last) for first, last, status, *_ in ranges_of(batch) if status == "allocated"]
    assert held == [(1, 1), (3, 4), (7, 7)]
    entry = AuditEntry.objects.get(action="batch.range_allocated")
    assert (entry.actor_id, entry.channel, entry.reason) == ("noor", "command", "as agreed")
    with nothing_changes():
        assert run("shops-1", "allocate", path, dealer="muscat mall").startswith("changed: 0 of 4 cards")


def test_bad_rows_are_named_and_nothing_is_changed(tmp_path: Path) -> None:
    batch = active()
    path = write(tmp_path / "box.csv", batch, 1, "1.2E+05", 1)
    out = StringIO()
    with nothing_changes(), pytest.raises(CommandError, match="2 bad rows"):
        call_command("act_on_cards", "SHOPS-1", "lock", str(path), why="x", by="noor", stdout=out)
    assert [line.partition(":")[0] for line in out.getvalue().splitlines()] == ["Line 3", "Line 4"]


@pytest.mark.parametrize(
    ("batch", "options", "said"),
    [
        ("NOBODY", {}, "there is no batch of this name"),
        ("SHOPS-1", {"dealer": "Nobody"}, "there is no dealer of this name"),
        ("SHOPS-1", {}, "an allocation needs a dealer"),
    ],
)
def test_refusals_are_told(tmp_path: Path, batch: str, options: dict[str, str], said: str) -> None:
    path = write(tmp_path / "box.csv", active(), 1)
    with nothing_changes(), pytest.raises(CommandError, match=said):
        run(batch, "allocate", path, **options)


@pytest.mark.parametrize(
    "until", ["2099-W01-1T00:00:00+00:00", "20991231T235959Z", "2099-12-31T23:59:59", "2099-12-31"]
)
def test_an_end_that_is_not_rfc_3339_is_refused(tmp_path: Path, until: str) -> None:
    path = write(tmp_path / "box.csv", active(), 1)
    with nothing_changes(), pytest.raises(CommandError, match="--until"):
        call_command("act_on_cards", "SHOPS-1", "extend", str(path), f"--until={until}", "--why=x", "--by=noor")
