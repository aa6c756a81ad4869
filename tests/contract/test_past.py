"""The endpoints that show the ledger and vouchers as of a past instant."""

from datetime import datetime, timedelta

import pytest

from billing.models import AuditEntry, Customer, LedgerEntry
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from promos.models import Redemption
from promos.use_cases import redeem_code
from promos.use_cases.change_code import pause_code
from tests.factories import CampaignFactory, PromoCodeFactory, actor

from .api_client import Caller
from .conftest import Checkout

pytestmark = pytest.mark.django_db(transaction=True)
PAST = "billing/admin/past"
TICK = timedelta(microseconds=1)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_a_balance_is_exact_at_the_microsecond_of_an_entry(checkout: Checkout, salim: Caller) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    checkout(promo_code="TWENTY")
    customer = Customer.objects.get()
    extra = adjust_credit(customer_id=customer.pk, amount_minor=1_000, why="sorry", by=actor())
    reverse_entry(entry_id=extra.pk, why="by mistake", by=actor())
    entries = list(LedgerEntry.objects.order_by("version"))
    assert [entry.kind for entry in entries] == ["grant", "spend", "adjustment", "reversal"]
    at = entries[2].created_at

    def position(instant: datetime) -> dict[str, object]:
        found = salim.get(f"{PAST}/balance?user_id={customer.user_id}&at={text(instant)}")
        assert found.status == 200, found.content
        return dict(found.body)

    left = entries[1].balance_after_minor
    lot = {
        "entry_id": str(entries[0].pk),
        "credit_class": "promotional",
        "expires_at": None,
        "brought_minor": 20_000,
        "left_minor": left,
        "held_minor": 0,
    }
    assert position(at - TICK) == {
        "at": text(at - TICK),
        "user_id": customer.user_id,
        "entries": 2,
        "balance_minor": left,
        "held_minor": 0,
        "expired_minor": 0,
        "available_minor": left,
        "corrected_minor": left,
        "lots": [lot],
    }
    known = position(at)
    assert (known["entries"], known["balance_minor"], known["corrected_minor"]) == (3, left + 1_000, left)
    assert known["lots"] == [lot, {**lot, "entry_id": str(extra.pk), "brought_minor": 1_000, "left_minor": 1_000}]
    assert position(entries[0].created_at - TICK)["lots"] == []

    trial = salim.get(f"{PAST}/trial-balance?at={text(at)}").body
    assert [(line["kind"], line["known_minor"], line["corrected_minor"]) for line in trial["lines"]] == [
        ("adjustment", 1_000, 1_000),
        ("grant", 20_000, 20_000),
        ("reversal", 0, -1_000),
        ("spend", left - 20_000, left - 20_000),
    ]
    assert (trial["balance_minor"], trial["corrected_minor"], trial["held_minor"]) == (left + 1_000, left, 0)


def test_a_code_and_its_campaign_are_shown_as_they_were(checkout: Checkout, salim: Caller) -> None:
    campaign = CampaignFactory.create(name="Summer")
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000, max_redemptions=5, campaign_id=campaign.pk)
    checkout(promo_code="TWENTY")
    spent = LedgerEntry.objects.get(kind="spend")
    pause_code(code="TWENTY", by=actor())
    redeem_code.release(redemption=_give_back(spent), reason="by mistake", by=actor())
    for query in ("code=twenty", "campaign=summer"):
        before, then, now = (
            salim.get(f"{PAST}/voucher?{query}{at}").body
            for at in ("&at=2026-01-01T00:00:00Z", f"&at={text(spent.created_at)}", "")
        )
        assert before["state"] == {}
        left = spent.balance_after_minor
        assert then["figures"] == {
            "redemptions": 1,
            "customers": 1,
            "granted_minor": 20_000,
            "taken_back_minor": 0,
            "left_minor": left,
            "held_minor": 0,
        }
        expected = {"active": True, "max_redemptions": 5} if "code" in query else {"status": "active"}
        assert then["state"].items() >= expected.items()
        assert (now["figures"]["redemptions"], now["figures"]["left_minor"]) == (0, 0)
        assert now["figures"]["taken_back_minor"] == 20_000


def _give_back(spent: LedgerEntry) -> Redemption:
    """Give the spent credit back, so that the redemption can be released."""
    adjust_credit(customer_id=spent.account_id, amount_minor=-spent.amount_minor, why="sorry", by=actor())
    return Redemption.objects.get()


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("balance", 400, "user_id"),
        ("balance?user_id=nobody", 404, None),
        ("balance?user_id=ada&at=2026-01-01", 400, "at"),
        ("trial-balance?at=yesterday", 400, "at"),
        ("voucher", 400, "code"),
        ("voucher?code=NO-SUCH", 404, None),
        ("voucher?batch=NO-SUCH", 404, None),
        ("voucher?campaign=no%20such", 404, None),
        ("voucher?code=A&batch=B", 400, "code"),
    ],
)
def test_a_bad_question_is_refused(salim: Caller, path: str, status: int, field: str | None) -> None:
    answer = salim.get(f"{PAST}/{path}")
    assert answer.status == status, answer.content
    assert field is None or field in answer.body["fields"]


def test_a_balance_and_an_order_are_explained(checkout: Checkout, salim: Caller) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    order_id = checkout(promo_code="TWENTY").body["order_id"]
    spent = LedgerEntry.objects.get(kind="spend")
    grant = LedgerEntry.objects.get(kind="grant")
    balance = salim.get(f"billing/admin/explain?user_id={Customer.objects.get().user_id}").body
    [lot] = balance["lots"]
    assert lot["lot"]["left_minor"] == spent.balance_after_minor
    assert (lot["origin"]["entry_id"], lot["origin"]["code"]) == (str(grant.pk), "TWENTY")
    assert [(use["order_id"], use["part_minor"]) for use in lot["uses"]] == [(order_id, -spent.amount_minor)]
    order = salim.get(f"billing/admin/explain?order_id={order_id}").body
    assert order["sources"] == [{"part_minor": -spent.amount_minor, "origin": lot["origin"]}]
    assert (order["order_id"], order["due_by_card_minor"]) == (order_id, 0)
    for query, status in (("", 400), ("?user_id=nobody", 404), (f"?order_id={grant.pk}", 404), ("?order_id=x", 400)):
        assert salim.get(f"billing/admin/explain{query}").status == status


def test_an_explanation_is_downloaded_and_recorded(checkout: Checkout, salim: Caller) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    order_id = checkout(promo_code="TWENTY").body["order_id"]
    customer = Customer.objects.get()
    for query in (f"order_id={order_id}", f"user_id={customer.user_id}"):
        answer = salim.get(f"billing/admin/explain/pdf?{query}")
        assert (answer.status, answer.content[:5]) == (200, b"%PDF-")
    assert b"/Lang (ar)" in salim.get(f"billing/admin/explain/pdf?{query}", Accept_Language="ar").content
    recorded = AuditEntry.objects.filter(action__endswith="explanation_exported").order_by("created_at", "id")
    assert [(each.object_type, each.object_id) for each in recorded] == [
        ("order", order_id),
        ("customer", str(customer.pk)),
        ("customer", str(customer.pk)),
    ]
    assert salim.get("billing/admin/explain/pdf?user_id=nobody").status == 404
    assert recorded.count() == 3
