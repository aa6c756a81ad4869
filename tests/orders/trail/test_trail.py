"""A customer's trail and credit move to another Sovereign. One database plays both, with the settings of each."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.test import override_settings
from django.utils import timezone

from billing.errors import EntryNotReversible
from billing.models import Account, AuditEntry, Customer, LedgerEntry, Proposal
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proof.signing import as_text, signing_key
from billing.use_cases.proof.verify_chain import verify_chain
from billing.use_cases.proposals.decide import approve_proposal
from billing.use_cases.record_audit import record_audit
from config.parts.approvals import approval_limits
from orders.models import Order
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import CustomerFactory, actor
from tests.sample_history import create_sample_history
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

LEFT_OF_VOUCHER, SOLD = 38_000, 5_000
LEFT = LEFT_OF_VOUCHER + SOLD


@pytest.fixture
def ada() -> Customer:
    create_sample_history()
    found = Customer.objects.get(user_id="ada")
    grant_credit(
        customer_id=found.pk,
        amount_minor=SOLD,
        reason="gift",
        credit_class="sold",
        expires_at=timezone.now() + timedelta(days=30),
        by=actor(),
    )
    return found


@contextmanager
def at_the_other(domain: str = "other.example") -> Iterator[None]:
    with override_settings(SOVEREIGN_DOMAIN=domain, LEDGER_SIGNING_SECRET="another-secret-of-another-sovereign-0123"):
        yield


def public_key() -> str:
    key = signing_key()
    assert key is not None
    return as_text(key.public_key())


@pytest.fixture
def key() -> str:
    """The public key of the Sovereign that exports."""
    return public_key()


def export(file: Path, *options: str, user_id: str = "ada", to: str = "other.example") -> str:
    out = io.StringIO()
    act = options or ("--to", to, "--as", "ada-there", "--why", "she moves", "--by", "sara")
    call_command("export_trail", user_id, str(file), *act, stdout=out)
    return out.getvalue()


def bring_in(file: Path, key: str, *options: str) -> str:
    out = io.StringIO()
    act = options or ("--why", "she moved", "--by", "omar")
    with at_the_other():
        call_command("import_trail", str(file), "--public-key", key, *act, stdout=out)
    return out.getvalue()


def balance(user_id: str) -> int:
    return Account.objects.get(customer__user_id=user_id).balance_minor


def in_the_world() -> int:
    return int(Account.objects.aggregate(total=Sum("balance_minor"))["total"])


def assert_sound() -> None:
    assert (verify_ledger().wrong, verify_chain().fault, verify_redemptions()) == ("", "", None)


def rows(file: Path, name: str) -> list[Any]:
    with ZipFile(file) as pack:
        return [json.loads(line) for line in pack.read(f"{name}.jsonl").splitlines()]


def rewritten(file: Path, target: Path, name: str, before: bytes, after: bytes) -> Path:
    with ZipFile(file) as old, ZipFile(target, "w") as new:
        for each in old.namelist():
            content = old.read(each)
            assert each != name or before in content
            new.writestr(each, content.replace(before, after) if each == name else content)
    return target


def test_the_credit_leaves_here_and_comes_in_there_once(ada: Customer, tmp_path: Path, key: str) -> None:
    before, file = in_the_world(), tmp_path / "ada.zip"
    export(file)
    assert (balance("ada"), in_the_world()) == (0, before - LEFT)
    assert_sound()
    assert bring_in(file, key).splitlines()[-1] == "brought in"
    assert (balance("ada"), balance("ada-there"), in_the_world()) == (0, LEFT, before)
    brought = LedgerEntry.objects.filter(account__customer__user_id="ada-there").order_by("version")
    assert list(brought.values_list("credit_class", "amount_minor", "actor_id", "note")) == [
        ("promotional", LEFT_OF_VOUCHER, "omar", "she moved"),
        ("sold", SOLD, "omar", "she moved"),
    ]
    [sold] = LedgerEntry.objects.filter(account=ada.pk, credit_class="sold")
    assert [each.expires_at for each in brought] == [None, sold.expires_at]
    assert_sound()
    with nothing_changes():
        assert bring_in(file, key).splitlines()[-1] == "already brought in: nothing was changed"


def test_the_file_holds_everything_of_the_customer(ada: Customer, tmp_path: Path, key: str) -> None:
    file = tmp_path / "ada.zip"
    [order] = Order.objects.filter(customer=ada)
    for object_type, object_id in (("order", order.pk), ("customer", Customer.objects.get(user_id="bob").pk)):
        record_audit(action="test.seen", object_type=object_type, object_id=str(object_id), by=actor())
    export(file)
    assert [each["id"] for each in rows(file, "orders")] == [str(order.pk)]
    assert [each["price_minor"] for each in rows(file, "order_lines")] == [9_000, 3_000]
    assert [each["code"] for each in rows(file, "redemptions")] == ["WELCOME"]
    assert [each["slug"] for each in rows(file, "organizations")] == ["acme"]
    assert {each["customer_id"] for each in rows(file, "subscriptions")} == {ada.pk}
    assert len(rows(file, "entries")) == LedgerEntry.objects.filter(account=ada.pk).count()
    assert [each["action"] for each in rows(file, "audit")] == ["test.seen", "customer.moved_out"]
    with nothing_changes():
        assert "sound: 4 entries of ada of sovereign.example; 43.000 OMR for ada-there" in bring_in(
            file, key, "--verify"
        )


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("statement.json", b'"amount_minor": 5000', b'"amount_minor": 9000'),
        ("statement.json", b'"to": "other.example"', b'"to": "third.example"'),
        ("entries.jsonl", b"50000", b"70000"),
        ("audit.jsonl", b"she moves", b"he moves"),
        ("signature.txt", b"", b"0"),
    ],
)
def test_a_changed_file_is_refused(ada: Customer, tmp_path: Path, name: str, before: bytes, after: bytes) -> None:
    file = tmp_path / "ada.zip"
    export(file)
    changed = rewritten(file, tmp_path / "changed.zip", name, before, after)
    with nothing_changes(), pytest.raises(CommandError, match="damaged or was changed, or another key"):
        bring_in(changed, public_key())


def test_a_file_of_another_key_or_no_file_is_refused(ada: Customer, tmp_path: Path, key: str) -> None:
    file, text = tmp_path / "ada.zip", tmp_path / "text.zip"
    export(file)
    text.write_text("no zip")
    with at_the_other():
        other = public_key()
    for wrong, with_key in ((file, other), (file, "key"), (text, key)):
        with nothing_changes(), pytest.raises(CommandError, match="another key signed it"):
            bring_in(wrong, with_key)
    with pytest.raises(CommandError, match="cannot be read"):
        bring_in(tmp_path / "none.zip", key)


def test_a_third_sovereign_cannot_bring_it_in(ada: Customer, tmp_path: Path, key: str) -> None:
    file = tmp_path / "ada.zip"
    export(file, "--to", "third.example", "--why", "she moves", "--by", "sara")
    with nothing_changes(), pytest.raises(CommandError, match="for another Sovereign"):
        bring_in(file, key)


def test_a_lost_file_is_written_again_and_brings_nothing_in_twice(ada: Customer, tmp_path: Path, key: str) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    move = export(first).splitlines()[0].removeprefix("move: ")
    bring_in(first, key)
    grant_credit(customer_id=ada.pk, amount_minor=700, reason="gift", by=actor())
    with nothing_changes():
        export(second, "--again", move)
    assert "already brought in" in bring_in(second, key)
    assert (balance("ada"), balance("ada-there")) == (700, LEFT)
    with pytest.raises(CommandError, match="no such move"):
        export(tmp_path / "third.zip", "--again", "none")
    assert not (tmp_path / "third.zip").exists()


def test_credit_that_came_later_moves_with_a_move_of_its_own(ada: Customer, tmp_path: Path, key: str) -> None:
    first, second, empty = (tmp_path / f"{name}.zip" for name in ("first", "second", "empty"))
    export(first)
    grant_credit(customer_id=ada.pk, amount_minor=700, reason="gift", by=actor())
    export(second)
    export(empty)
    for file in (second, first, empty):
        assert "brought in" in bring_in(file, key).splitlines()
    assert (balance("ada"), balance("ada-there")) == (0, LEFT + 700)
    assert_sound()


def test_a_move_cannot_be_reversed_on_either_side(ada: Customer, tmp_path: Path, key: str) -> None:
    file = tmp_path / "ada.zip"
    export(file)
    bring_in(file, key)
    moved = LedgerEntry.objects.filter(reason__startswith="moved-")
    assert moved.count() == 3
    for each in moved:
        with nothing_changes(), pytest.raises(EntryNotReversible):
            reverse_entry(entry_id=each.pk, why="a mistake", by=actor())


def test_credit_of_an_open_payment_stays(ada: Customer, tmp_path: Path) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=1, order_id=uuid4())
    with nothing_changes(), pytest.raises(CommandError, match="open payment"):
        export(tmp_path / "ada.zip")
    assert not (tmp_path / "ada.zip").exists()


def test_both_acts_wait_for_a_second_person_above_the_limit(
    ada: Customer, tmp_path: Path, key: str, settings: Any
) -> None:
    settings.APPROVAL_LIMITS = approval_limits([f"adjust_credit={LEFT - 1}"])
    file = tmp_path / "ada.zip"
    with pytest.raises(CommandError, match="another member of staff approves it"):
        export(file)
    assert balance("ada") == LEFT
    approve_proposal(proposal_id=Proposal.objects.get(kind="credit_out").pk, by=actor())
    assert balance("ada") == 0
    moved = AuditEntry.objects.get(action="customer.moved_out")
    export(file, "--again", moved.changes["move"][1])
    for _ in range(2):
        with pytest.raises(CommandError, match="another member of staff approves it"):
            bring_in(file, key)
    assert balance("ada-there") == 0
    approve_proposal(proposal_id=Proposal.objects.get(kind="credit_in").pk, by=actor())
    assert (balance("ada-there"), Proposal.objects.filter(kind__startswith="credit_").count()) == (LEFT, 2)
    assert "already brought in" in bring_in(file, key)


def test_a_customer_without_credit_has_a_trail_too(tmp_path: Path, key: str) -> None:
    CustomerFactory.create(user_id="bob")
    export(tmp_path / "bob.zip", user_id="bob")
    assert "0.000 OMR" in bring_in(tmp_path / "bob.zip", key)
    assert LedgerEntry.objects.count() == 0


def test_without_another_sovereign_or_a_reason_nothing_moves(ada: Customer, tmp_path: Path) -> None:
    with nothing_changes():
        with pytest.raises(CommandError, match="name the domain of another Sovereign"):
            export(tmp_path / "ada.zip", to="sovereign.example")
        with pytest.raises(CommandError, match="--why REASON"):
            export(tmp_path / "ada.zip", "--to", "other.example")
