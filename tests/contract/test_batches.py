"""Staff make batches of cards over the API, and act on their ranges; a dealer activates its own."""

import csv
import io
from typing import Any

import pytest

from billing.models import AuditEntry
from promos.models import Batch, Card, Redemption
from promos.use_cases.cards.count_redeemed_cards import count_redeemed_cards
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.redeem_code import release
from tests.contract.issuing_shapes import BATCH, CARD, DEALER, RANGE
from tests.factories import CustomerFactory, actor
from tests.promos.cards.make_batch import active, codes_of, generated, redeem_for, released, secret
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller, by_token
from .json_shapes import assert_refused, assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

BATCHES = "billing/batches"
SHOPS = {"name": "shops-1", "credit_omr": 5, "size": 3, "pattern": "####-####-####"}
WHY = {"reason": "for the shops"}


@pytest.fixture
def omar() -> Caller:
    """A dealer."""
    return by_token("dealer", "omar")


def act_on(caller: Caller, batch: Batch, act: str, first: int, last: int, **body: Any) -> Answer:
    serials = {"first_serial": batch.first_serial + first - 1, "last_serial": batch.first_serial + last - 1}
    return caller.post(f"{BATCHES}/{batch.promo_code_id}/ranges", {"act": act, **serials, **WHY, **body})


def shown(report: Answer) -> tuple[int, int, dict[str, int]]:
    """Return the cards that an act named and changed, and those that it skipped by reason."""
    body = report.body
    assert body.keys() == {"act", "cards", "changed", "skipped"}
    assert body["skipped"].keys() == {"redeemed", "void", "locked", "already", "of_dealer", "not_of_dealer"}
    return body["cards"], body["changed"], {why: number for why, number in body["skipped"].items() if number}


def make_dealer(noor: Caller, name: str, user_id: str = "") -> str:
    answer = noor.post("billing/dealers", {"name": name, "user_id": user_id})
    assert answer.status == 201
    assert_shape(answer.body, DEALER)
    return str(answer.body["id"])


def test_a_batch_goes_from_draft_to_the_end(noor: Caller, root: Caller, salim: Caller) -> None:
    made = noor.post(BATCHES, SHOPS)
    assert made.status == 201
    assert_shape(made.body, BATCH)
    assert (made.body["name"], made.body["credit_minor"], made.body["status"]) == ("SHOPS-1", 5_000, "draft")
    page = f"{BATCHES}/{made.body['id']}"
    assert_refused(noor.post(f"{page}/approve", WHY), 403, "batch_needs_another_approver")
    for caller, verb, status in (
        (root, "approve", "approved"),
        (noor, "generate", "approved"),
        (noor, "release", "released"),
        (noor, "activate", "active"),
        (noor, "lock", "locked"),
        (noor, "activate", "active"),
        (noor, "close", "closed"),
    ):
        answer = caller.post(f"{page}/{verb}", WHY)
        assert (answer.status, answer.body["status"]) == (200, status), answer.body
        if verb == "generate":
            generate_cards(batch_id=Batch.objects.get().pk)
    assert_refused(noor.post(f"{page}/void", WHY), 409, "batch_state")
    assert salim.get(page).body["generated"] == 3
    assert [each["name"] for each in salim.get(f"{BATCHES}?status=closed").body] == ["SHOPS-1"]
    assert salim.get(f"{BATCHES}?status=draft").body == []
    assert salim.get(f"{BATCHES}?status=lost").status == 400
    assert_refused(noor.get(f"{BATCHES}/01890000-0000-7000-8000-000000000000"), 404, "batch_not_found")


def test_a_batch_has_restrictions_and_a_life_of_its_credit(noor: Caller) -> None:
    sent = {**SHOPS, "credit_days": 90, "restrictions": {"only": "top_ups", "uses_per_day": 1}}
    made = noor.post(BATCHES, sent)
    assert made.status == 201
    assert_shape(made.body, BATCH)
    assert made.body["credit_days"] == 90
    assert (made.body["restrictions"]["only"], made.body["restrictions"]["uses_per_day"]) == ("top_ups", 1)
    with nothing_changes():
        wrong = {**sent, "name": "other", "restrictions": {"plans": ["nope"]}}
        assert_refused(noor.post(BATCHES, wrong), 400, "invalid_restrictions")


def test_the_codes_of_a_released_batch_are_exported(noor: Caller, salim: Caller) -> None:
    batch = released(size=3)
    page = f"{BATCHES}/{batch.promo_code_id}/export"
    with only_changes("billing_auditentry"):
        answer = noor.post(page, WHY)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    serials = Card.objects.filter(batch=batch).order_by("serial").values_list("serial", flat=True)
    assert [(row["serial"], row["code"]) for row in rows] == [
        (str(serial), code) for serial, code in zip(serials, codes_of(batch), strict=True)
    ]
    assert (rows[0]["credit"], rows[0]["currency"]) == ("5.000", "OMR")
    record = AuditEntry.objects.get(action="batch.exported")
    assert (record.object_id, record.reason, record.channel) == ("SHOPS-1", "for the shops", "api")
    early, hidden = generated("EARLY"), secret("PRINTED")
    with nothing_changes():
        assert_refused(noor.post(f"{BATCHES}/{early.promo_code_id}/export", WHY), 409, "batch_state")
        assert_refused(noor.post(f"{BATCHES}/{hidden.promo_code_id}/export", WHY), 409, "batch_is_secret")
        assert noor.post(page, {"reason": " "}).status == 400
        assert salim.post(page, WHY).status == 403


def test_cards_are_found_by_serial_last_characters_and_state(noor: Caller) -> None:
    ada, batch = CustomerFactory.create(), active(size=5)
    redeem_for(ada, codes_of(batch)[1])
    act_on(noor, batch, "lock", 3, 3)
    page = f"{BATCHES}/{batch.promo_code_id}/cards"
    cards = noor.get(page).body
    assert_shape(cards[0], CARD)
    assert [card["status"] for card in cards] == ["active", "redeemed", "locked", "active", "active"]
    assert [card["customer_id"] for card in cards][:2] == [None, ada.user_id]
    serials = [card["serial"] for card in cards]
    assert [card["serial"] for card in noor.get(f"{page}?serial={serials[3]}").body] == serials[3:4]
    assert serials[0] in [card["serial"] for card in noor.get(f"{page}?last4={cards[0]['last4'].lower()}").body]
    assert [card["serial"] for card in noor.get(f"{page}?state=redeemed").body] == serials[1:2]
    assert [card["serial"] for card in noor.get(f"{page}?state=unused").body] == [serials[0], *serials[2:]]
    first = noor.get(f"{page}?limit=3")
    assert [card["serial"] for card in first.body] == serials[:3]
    following = first.headers["Link"].partition(">")[0].partition("/api/")[2]
    assert [card["serial"] for card in noor.get(following).body] == serials[3:]
    for wrong in ("serial=x", "last4=abc", "state=lost", "cursor=x", "cursor=LTE"):
        assert noor.get(f"{page}?{wrong}").status == 400, wrong


def test_acts_report_what_they_skip(noor: Caller, salim: Caller) -> None:
    batch, mall = active(size=5), make_dealer(noor, "Muscat Mall")
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    report = act_on(noor, batch, "allocate", 1, 4, dealer_id=mall)
    assert shown(report) == (4, 3, {"redeemed": 1})
    [row] = salim.get(f"{BATCHES}/{batch.promo_code_id}/ranges").body
    assert_shape(row, RANGE)
    assert (row["cards"], row["status"], row["dealer_name"]) == (4, "allocated", "Muscat Mall")
    assert salim.get(f"billing/ranges?dealer_id={mall}").body == [row]
    assert salim.get("billing/ranges?dealer_id=x").status == 400
    attempts: list[tuple[dict[str, Any], str]] = [
        ({"act": "allocate"}, "dealer_id"),
        ({"act": "allocate", "dealer_id": "01890000-0000-7000-8000-000000000000"}, "dealer_id"),
        ({"act": "extend"}, "expires_at"),
        ({"act": "lock", "last": 9}, "first_serial"),
        ({"act": "lock", "first": 3, "last": 2}, "last_serial"),
    ]
    with nothing_changes():
        for wrong, field in attempts:
            answer = act_on(noor, batch, **{"first": 1, "last": 2, **wrong})
            assert (answer.status, list(answer.body["fields"])) == (400, [field])


def test_a_file_of_serial_numbers_is_checked_and_acted_on(noor: Caller, omar: Caller) -> None:
    batch, own = active(size=6), make_dealer(noor, "Muscat Mall", "omar")
    act_on(noor, batch, "allocate", 1, 2, dealer_id=own)
    page, serials = f"{BATCHES}/{batch.promo_code_id}/ranges/csv", [batch.first_serial + each for each in range(6)]
    sent = {"act": "activate", "csv": f"\ufeffserial;note\r\n'{serials[0]};x\r\n{serials[5]};\r\n", **WHY}
    with nothing_changes():
        checked = omar.post(page, {**sent, "dry_run": True})
        bad = noor.post(page, {**sent, "csv": f"{serials[0]}\n1,2E+05\n\n{serials[0]}"})
        assert omar.post(page, {**sent, "act": "void"}).status == 403
    assert shown(checked) == (2, 1, {"not_of_dealer": 1})
    assert_refused(bad, 400, "invalid_file")
    assert [text.partition(":")[0] for text in bad.body["fields"]["csv"]] == ["Line 2", "Line 4"]
    assert shown(omar.post(page, sent)) == (2, 1, {"not_of_dealer": 1})
    assert shown(omar.post(page, sent)) == (2, 0, {"already": 1, "not_of_dealer": 1})


def test_a_dealer_reads_and_activates_its_own_cards_only(noor: Caller, omar: Caller) -> None:
    batch, hidden = active(size=6), active("HIDDEN")
    own, other = make_dealer(noor, "Muscat Mall", "omar"), make_dealer(noor, "Nizwa Souq")
    act_on(noor, batch, "allocate", 1, 2, dealer_id=own)
    act_on(noor, batch, "allocate", 3, 4, dealer_id=other)
    assert [row["dealer_name"] for row in omar.get("billing/ranges").body] == ["Muscat Mall"]
    assert omar.get(f"billing/ranges?dealer_id={other}").body == []
    assert [row["cards"] for row in omar.get(f"{BATCHES}/{batch.promo_code_id}/ranges").body] == [2]
    with nothing_changes():
        assert omar.get(f"{BATCHES}/{hidden.promo_code_id}/ranges").status == 404
        assert act_on(omar, hidden, "activate", 1, 1).status == 404
        assert act_on(omar, batch, "void", 1, 1).status == 403
        for path in (BATCHES, f"{BATCHES}/{batch.promo_code_id}/cards", "billing/dealers", "billing/vouchers/list"):
            assert omar.get(path).status == 403
    report = act_on(omar, batch, "activate", 1, 6)
    assert shown(report) == (6, 2, {"not_of_dealer": 4})
    assert by_token("dealer", "nobody").get("billing/ranges").body == []


def test_dealers_are_renamed_and_linked(noor: Caller) -> None:
    mall = make_dealer(noor, "Muscat Mall")
    page = f"billing/dealers/{mall}"
    assert_refused(noor.post("billing/dealers", {"name": "MUSCAT mall"}), 409, "dealer_name_taken")
    changed = noor.call("PUT", page, {"user_id": "omar", **WHY})
    assert (changed.body["name"], changed.body["user_id"]) == ("Muscat Mall", "omar")
    assert noor.get(page).body == changed.body and changed.body in noor.get("billing/dealers").body
    make_dealer(noor, "Nizwa Souq", "ali")
    assert_refused(noor.call("PUT", page, {"user_id": "ali", **WHY}), 409, "dealer_user_taken")
    assert noor.call("PUT", page, {"name": "Mall"}).status == 400
    assert_refused(noor.get("billing/dealers/01890000-0000-7000-8000-000000000000"), 404, "dealer_not_found")


def test_a_list_shows_redeemed_cards_as_counted_last_and_a_batch_as_they_are(noor: Caller) -> None:
    batch = active()
    page = f"{BATCHES}/{batch.promo_code_id}"
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    assert (noor.get(page).body["redeemed"], noor.get(BATCHES).body[0]["redeemed"]) == (1, 0)
    assert count_redeemed_cards() == 1
    assert noor.get(BATCHES).body[0]["redeemed"] == 1
    release(redemption=Redemption.objects.get(), reason="a mistake", by=actor())
    assert count_redeemed_cards(everything=True) == 1
    assert noor.get(BATCHES).body[0]["redeemed"] == 0
