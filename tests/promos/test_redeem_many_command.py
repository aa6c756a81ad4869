"""The command that redeems one code for the users of a list: its output, its exit status, and running it again."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.api.access.tokens import InvalidToken, verify_token
from billing.errors import InvalidBatch
from billing.models import AuditEntry, LedgerEntry
from promos.models import Redemption
from promos.use_cases.change_code import pause_code
from promos.use_cases.redeem_code import redeem
from promos.use_cases.redeem_many import redeem_many
from tests.billing.api.conftest import bearer
from tests.concurrency.schema_changes import function_definition
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.faults.run_scenario import replaced_functions
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.txt"
    file.write_text("ada\n\n  bob \r\ncarol\nada\ndave")
    return file


def run(*arguments: str, code: str = "GIFT") -> list[str]:
    out = io.StringIO()
    call_command("redeem_many", code, *arguments, "--why", "for the fair", "--by", "sara", stdout=out)
    return out.getvalue().splitlines()


def run_and_fail(*arguments: str, code: str = "GIFT") -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        run(*arguments, code=code)
    return caught.value.returncode, str(caught.value)


def test_every_user_on_the_list_redeems_the_code(people: Path) -> None:
    ada = CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT", max_redemptions=4)
    redeem(code="GIFT", user_id="ada", by=acting(ada))
    assert run(str(people), "--batch", "2") == [
        "4 users, 1 repeated lines",
        "redeemed: 3, already redeemed: 1, exhausted: 0",
    ]
    assert times_redeemed("GIFT") == 4
    entry = LedgerEntry.objects.get(account__customer__user_id="bob")
    assert (entry.actor_id, entry.actor_role, entry.channel, entry.note) == (
        "sara",
        "system",
        "command",
        "for the fair",
    )
    audited = AuditEntry.objects.filter(action="promo_code.redeemed_for_many").order_by("created_at")
    assert [each.changes for each in audited] == [{"redemptions": [0, 1]}, {"redemptions": [0, 2]}]


def test_a_second_run_changes_nothing_and_succeeds(people: Path) -> None:
    PromoCodeFactory.create(code="GIFT")
    run(str(people))
    with nothing_changes():
        assert run(str(people))[-1] == "redeemed: 0, already redeemed: 4, exhausted: 0"


def test_the_list_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    PromoCodeFactory.create(code="GIFT")
    monkeypatch.setattr("sys.stdin", io.StringIO("ada\nbob\n"))
    assert run()[-1] == "redeemed: 2, already redeemed: 0, exhausted: 0"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_list_that_a_spreadsheet_saved_with_a_bom_gives_the_first_user_the_credit(
    tmp_path: Path, ending: str
) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=2)
    file = tmp_path / "bom.csv"
    file.write_bytes(b"\xef\xbb\xbf" + ending.join(["ada", "bob", ""]).encode())
    assert run(str(file))[-1] == "redeemed: 2, already redeemed: 0, exhausted: 0"
    assert set(LedgerEntry.objects.values_list("account__customer__user_id", flat=True)) == {"ada", "bob"}


# Characters that some programs take for the end of a line, and others that no token may carry in an id.
NO_IDS = [
    "ada\u2028bob",
    "ada\u2029",
    "ada\x0bbob",
    "ada\x0c",
    "a\x1cb",
    "a\x85b",
    "a\u00a0b",
    "a\u200bb",
    "a\ufeff",
    "a\0b",
]


@pytest.mark.parametrize("line", NO_IDS)
@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_an_id_that_no_token_may_carry_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, how: tuple[str, ...]
) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=2)
    file = tmp_path / "list.txt"
    file.write_bytes(f"carol\n\n{line}\ndave\n".encode())
    monkeypatch.setattr("sys.stdin", io.StringIO(f"carol\n\n{line}\ndave\n"))
    with nothing_changes():
        assert run_and_fail(str(file), *how) == (1, f"line 3 is not a user id: {line!r}")
        assert run_and_fail("-", *how) == (1, f"line 3 is not a user id: {line!r}")
        with pytest.raises(InvalidBatch):
            redeem_many(code="GIFT", user_ids=[line], why="x", by=actor())
        with pytest.raises(InvalidToken):
            verify_token(bearer(sub=line)["Authorization"].removeprefix("Bearer "))


def test_the_person_who_decided_is_a_user_id_too(people: Path) -> None:
    with pytest.raises(CommandError, match="--by"):
        call_command("redeem_many", "GIFT", str(people), "--why", "x", "--by", "sa\u200bra", stdout=io.StringIO())


def test_a_user_without_a_slot_is_named_and_the_command_fails(people: Path) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=2)
    out = io.StringIO()
    with pytest.raises(CommandError, match="too few slots: 2 left out") as caught:
        call_command("redeem_many", "GIFT", str(people), "--why", "x", "--by", "sara", stdout=out)
    assert caught.value.returncode == 2
    assert out.getvalue().splitlines()[1:] == [
        "exhausted: carol",
        "exhausted: dave",
        "redeemed: 2, already redeemed: 0, exhausted: 2",
    ]


def test_a_dry_run_prints_a_preview_and_changes_nothing(people: Path) -> None:
    ada = CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT", max_redemptions=3)
    PromoCodeFactory.create(code="OPEN")
    redeem(code="GIFT", user_id="ada", by=acting(ada))
    with nothing_changes():
        assert run_and_fail(str(people), "--dry-run") == (2, "too few slots: 1 left out")
        assert run(str(people), "--dry-run", code="OPEN")[-1] == (
            "it would be redeemed: 4, already redeemed: 0, exhausted: 0"
        )


@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_a_refused_code_or_an_unreadable_list_changes_nothing(
    people: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    PromoCodeFactory.create(code="GIFT")
    PromoCodeFactory.create(code="PAUSED")
    pause_code(code="PAUSED", by=actor())
    long = tmp_path / "long.txt"
    long.write_text("a" * 256)
    with nothing_changes():
        assert run_and_fail(str(people), *how, code="NOSUCH") == (1, "invalid promo code: not found")
        assert run_and_fail(str(people), *how, code="PAUSED") == (1, "invalid promo code: not active")
        assert run_and_fail(str(long), *how) == (1, f"line 1 is not a user id: '{'a' * 80}'")
        status, said = run_and_fail(str(tmp_path / "none.txt"), *how)
    assert (status, said.partition(":")[0]) == (1, "the list cannot be read")


@pytest.mark.parametrize("batch", ["0", "-1", "10001", "some"])
def test_a_batch_size_out_of_range_is_refused(people: Path, batch: str) -> None:
    with pytest.raises(CommandError, match="--batch"):
        run(str(people), "--batch", batch)


def test_an_interrupted_run_reports_its_progress_and_a_second_run_continues(people: Path) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=9)
    true_definition = function_definition("promos_claim_slots_of_code")
    once = true_definition.replace(
        "  RETURN FOUND;", "  RETURN FOUND AND (SELECT sum(used) FROM promos_promocounter) < 2;"
    )
    assert once != true_definition
    with replaced_functions({"promos_claim_slots_of_code": once}):
        status, said = run_and_fail(str(people), "--batch", "1")
    assert (status, said) == (
        1,
        "the promo code changed: try again (before that redeemed: 1, already redeemed: 0, exhausted: 0)",
    )
    assert Redemption.objects.count() == 1
    assert run(str(people), "--batch", "1")[-1] == "redeemed: 3, already redeemed: 1, exhausted: 0"
