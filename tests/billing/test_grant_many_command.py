"""The command that grants credit to the users of a list: its report, its exit status, and running it again."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from billing.models import LedgerEntry
from billing.queries import balance_of
from billing.use_cases.ledger import grant_many as use_case
from tests.concurrency.schema_changes import function_definition
from tests.factories import CustomerFactory
from tests.faults.run_scenario import replaced_functions
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

DRY_RUN = "--dry-run"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.txt"
    file.write_bytes(b"\xef\xbb\xbfada\r\n\r\n  bob \r\ncarol\nada\ndave")
    return file


def run(
    file: object, *options: str, amount: str = "5.250", name: str = "outage-2026", why: str = "the outage"
) -> Any:
    out = io.StringIO()
    terms = ("--amount", amount, "--name", name, "--why", why, "--by", "sara")
    call_command("grant_many", str(file), *terms, *options, stdout=out)
    return out.getvalue().splitlines()


def run_and_fail(file: object, *options: str, **terms: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        run(file, *options, **terms)
    return caught.value.returncode, str(caught.value)


def test_every_user_of_the_list_has_the_credit(people: Path) -> None:
    CustomerFactory.create(user_id="ada")
    assert run(people, "--batch", "2") == [
        "4 users, 1 repeated lines, 5.250 OMR each",
        "granted: 4, already granted: 0",
    ]
    assert [balance_of(user_id=user).credit_minor for user in ("ada", "bob", "carol", "dave")] == [5_250] * 4
    entry = LedgerEntry.objects.get(account__customer__user_id="bob")
    assert (entry.reason, entry.note) == ("grant:outage-2026", "the outage")
    assert (entry.actor_id, entry.actor_role, entry.channel) == ("sara", "system", "command")


def test_run_again_it_changes_nothing_and_ends_well(people: Path) -> None:
    run(people)
    with nothing_changes():
        assert run(people)[-1] == "granted: 0, already granted: 4"
    people.write_text("bob\nerin\n")
    assert run(people)[-1] == "granted: 1, already granted: 1"
    assert run(people, name="another")[-1] == "granted: 2, already granted: 0"


def test_the_list_may_come_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffada\r\nbob\r\n"))
    assert run("-")[-1] == "granted: 2, already granted: 0"
    assert balance_of(user_id="ada").credit_minor == 5_250


def test_dry_run_says_what_would_come_of_it_and_changes_nothing(people: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.txt"
    one.write_text("ada")
    run(one)
    with nothing_changes():
        assert run(people, DRY_RUN)[-1] == "it would be granted: 3, already granted: 1"
        assert run(people, DRY_RUN, name="another")[-1] == "it would be granted: 4, already granted: 0"


def test_a_dry_run_counts_a_list_of_any_length(people: Path) -> None:
    run(people)
    people.write_text("\n".join(["ada", "bob", *(f"user-{number}" for number in range(66_000))]))
    assert run(people, DRY_RUN)[-1] == "it would be granted: 66000, already granted: 2"


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"amount": "0"}, "the amount must be positive"),
    ({"amount": "-5"}, "the amount must be positive"),
    ({"amount": "5.0001"}, "--amount: OMR has at most 3 decimals"),
    ({"amount": "five"}, "--amount: an amount must be a number"),
    ({"amount": "NaN"}, "--amount: an amount must be a finite number"),
    ({"amount": "1e10"}, "--amount: an amount may not exceed"),
    ({"name": "X"}, "the batch is not valid; name: use 3 to 80 of"),
    ({"why": "  "}, "a reason is required"),
]


@pytest.mark.parametrize("how", [(), (DRY_RUN,)])
@pytest.mark.parametrize(("terms", "sentence"), REFUSED)
def test_terms_that_are_refused_change_nothing(
    people: Path, terms: dict[str, str], sentence: str, how: tuple[str, ...]
) -> None:
    with nothing_changes():
        status, text = run_and_fail(people, *how, **terms)
    assert (status, text[: len(sentence)]) == (1, sentence)


@pytest.mark.parametrize("how", [(), (DRY_RUN,)])
def test_a_list_that_is_refused_changes_nothing_and_each_bad_line_is_named(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    file = tmp_path / "people.txt"
    with nothing_changes():
        status, text = run_and_fail(tmp_path / "none.txt", *how)
        assert (status, text.partition(":")[0]) == (1, "the list cannot be read")
        file.write_bytes(b"ad\xe4\n")
        status, text = run_and_fail(file, *how)
        assert (status, text.partition(":")[0]) == (1, "the list cannot be read")
        file.write_text("\ufeffada\r\n\r\n" + "b" * 256 + "\r\ncarol\r\nda\0ve\r\n")
        assert run_and_fail(file, *how) == (
            1,
            f"line 3 is not a user id: '{'b' * 80}'; line 5 is not a user id: 'da\\x00ve'",
        )
        file.write_text("\n".join(["x" * 256] * 12))
        status, text = run_and_fail(file, *how)
        assert (status, text.count("is not a user id"), text.endswith("; and 2 more")) == (1, 10, True)


@pytest.mark.parametrize("batch", ["0", "-1", str(use_case.MAX_BATCH + 1), "some"])
def test_batch_that_one_transaction_does_not_take_is_refused(people: Path, batch: str) -> None:
    with pytest.raises(CommandError, match="--batch"):
        run(people, "--batch", batch)


def test_where_it_stops_in_the_middle_it_goes_on_when_run_again(people: Path) -> None:
    CustomerFactory.create(user_id="carol")
    true_definition = function_definition("billing_grant_amounts")
    once = true_definition.replace(
        "  PERFORM billing_make_customers",
        "  IF 'carol' = ANY (users) THEN amounts := NULL; END IF;\n  PERFORM billing_make_customers",
    )
    assert once != true_definition
    with replaced_functions({"billing_grant_amounts": once}), pytest.raises(IntegrityError):
        run(people, "--batch", "2")
    assert LedgerEntry.objects.count() == 2
    assert run(people, "--batch", "2")[-1] == "granted: 2, already granted: 2"
