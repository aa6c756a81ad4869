"""The console's pages of batches: the whole life of a batch, its files, its search, and who may do what."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry
from promos.models import Batch, Card, PromoCode
from promos.use_cases.cards.generate_cards import generate_cards
from tests.console import Browser, client_of, create_user, form_errors
from tests.factories import CustomerFactory
from tests.snapshot import nothing_changes

from .make_batch import active, codes_of, draft, redeem_for, released

pytestmark = pytest.mark.django_db(transaction=True)
LIST, CARDS, ADD = "/admin/promos/batch/", "/admin/promos/card/", "/admin/promos/batch/add/"
TERMS = {
    "name": "shops-1",
    "credit": "5.000",
    "size": "3",
    "pattern": "####-####-####",
    "alphabet": "letters",
    "reason": "for the shops",
}


@pytest.fixture
def noor() -> Browser:
    return client_of(create_user(SOVEREIGN_ADMIN))


@pytest.fixture
def sara() -> Browser:
    return client_of(create_user(SUPERADMIN))


def url(batch: Batch, name: str) -> str:
    return f"/admin/promos/batch/{batch.pk}/{name}/"


def test_batch_goes_through_its_whole_life_in_the_console(noor: Browser, sara: Browser) -> None:
    noor.submit(ADD, TERMS)
    batch = Batch.objects.get()
    for who, act, state in (
        (sara, "approve", "approved"),
        (noor, "generate", "approved"),
        (noor, "release", "released"),
        (noor, "activate", "active"),
        (noor, "lock", "locked"),
        (noor, "activate", "active"),
        (noor, "close", "closed"),
    ):
        answer = who.submit(url(batch, act), {"reason": f"why {act}"})
        assert answer.headers["Location"] == url(batch, "change")
        if act == "generate":
            generate_cards(batch_id=batch.pk)
        else:
            batch.refresh_from_db()
            assert batch.status == state
    reasons = AuditEntry.objects.filter(object_type="batch", object_id="SHOPS-1").values_list("reason", flat=True)
    assert len(set(reasons)) == 7
    page = noor.get(url(batch, "change")).content.decode()
    assert "3 of 3" in page and "why close" in page


def test_drafter_cannot_approve(noor: Browser, sara: Browser) -> None:
    noor.submit(ADD, TERMS)
    batch, approve = Batch.objects.get(), url(Batch.objects.get(), "approve")
    for staff, offered in ((noor, False), (sara, True)):
        assert (f'href="{approve}"' in staff.get(url(batch, "change")).content.decode()) is offered
    with nothing_changes():
        answer = noor.submit(approve, {"reason": "mine"})
    assert form_errors(answer) == {
        "__all__": ["Someone other than the person who drafted the batch must approve it."]
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "!"), ("credit", "0"), ("size", "0"), ("pattern", "######"), ("pattern", "=1+1######"), ("reason", "")],
)
def test_bad_input_is_shown_at_its_field(noor: Browser, field: str, value: str) -> None:
    with nothing_changes():
        answer = noor.submit(ADD, {**TERMS, field: value})
    assert list(form_errors(answer)) == [field]


def test_all_bad_inputs_are_shown_at_once(noor: Browser) -> None:
    with nothing_changes():
        answer = noor.submit(ADD, {**TERMS, "name": "!", "credit": "0", "size": "none", "pattern": "##"})
    assert set(form_errors(answer)) == {"name", "credit", "size", "pattern"}


def test_end_before_the_start_is_shown_in_words_for_staff(noor: Browser) -> None:
    with nothing_changes():
        answer = noor.submit(ADD, {**TERMS, "starts_at": "2030-01-02T00:00", "expires_at": "2030-01-01T00:00"})
    assert form_errors(answer) == {"expires_at": ["The end must be later than the start."]}


def test_codes_are_exported_from_the_release_on(noor: Browser) -> None:
    batch = draft()
    with nothing_changes():
        answer = noor.submit(url(batch, "export"), {"reason": "print"})
    assert form_errors(answer) == {"__all__": ["The batch's state does not allow this."]}
    batch = released("SHOPS-2")
    answer = noor.submit(url(batch, "export"), {"reason": "for the printer"})
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["code"] for row in rows] == codes_of(batch)
    assert [int(row["serial"]) for row in rows] == list(range(batch.first_serial, batch.last_serial + 1))
    assert {(row["credit"], row["currency"], row["valid_until"]) for row in rows} == {("5.000", "OMR", "")}
    assert all(cell[:1] not in ("=", "+", "-", "@") for row in rows for cell in row.values())
    entry = AuditEntry.objects.get(action="batch.exported")
    assert (entry.object_id, entry.reason) == ("SHOPS-2", "for the printer")


def test_sheets_show_each_card_with_a_code_to_scan(noor: Browser, settings: Any) -> None:
    settings.SOVEREIGN_TIME_ZONE = "Asia/Muscat"
    batch = released()
    PromoCode.objects.filter(batch=batch).update(expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    sent = {"first": batch.first_serial, "last": batch.first_serial + 1, "reason": "print"}
    page = noor.submit(url(batch, "sheets"), sent).content.decode()
    codes = codes_of(batch)
    assert page.count("<svg") == page.count("Valid until 1 January 2099, 04:00 +04") == 2
    assert codes[0] in page and codes[1] in page and codes[2] not in page
    for first, last in ((batch.first_serial, batch.last_serial + 1), (batch.last_serial, batch.first_serial)):
        with nothing_changes():
            answer = noor.submit(url(batch, "sheets"), {"first": first, "last": last, "reason": "print"})
        assert list(form_errors(answer)) == ["last"]


def test_batch_and_card_are_found_by_code_last_characters_and_serial(noor: Browser) -> None:
    wanted, other = active("MARKET"), active("STATION")
    card = Card.objects.filter(batch=wanted).order_by("serial")[1]
    for term in (wanted.print_code(card.code), card.code.lower(), card.code[-4:], str(card.serial)):
        batches, cards = (noor.get(page, {"q": term}).content.decode() for page in (LIST, CARDS))
        assert url(wanted, "change") in batches and url(other, "change") not in batches
        assert f"{CARDS}{card.serial}/change/" in cards and cards.count('class="mono">…') == 1


def test_console_never_shows_a_whole_code(sara: Browser) -> None:
    batch = active()
    redeem_for(CustomerFactory.create(user_id="ada"), codes_of(batch)[0])
    card = Card.objects.earliest("serial")
    pages = [sara.get(page).content.decode() for page in (LIST, CARDS, f"{CARDS}{card.serial}/change/")]
    assert "redeemed" in pages[2] and "ada" in pages[2]
    assert all(card.code not in page and batch.print_code(card.code) not in page for page in pages)


def test_auditor_reads_and_changes_nothing() -> None:
    client, batch = client_of(create_user(AUDITOR)), released()
    page = client.get(url(batch, "change")).content.decode()
    assert "Activate" not in page and "Export" not in page
    assert client.get(LIST).status_code == client.get(CARDS).status_code == 200
    for name in ("approve", "generate", "release", "activate", "lock", "close", "void", "export", "sheets"):
        assert client.post(url(batch, name), {"reason": "x"}).status_code == 403
    assert client.get(ADD).status_code == 403


def test_lists_cost_the_same_number_of_queries_for_one_row_and_fifty(noor: Browser) -> None:
    counts = []
    for names in (["A-0"], [f"A-{number}" for number in range(1, 50)]):
        for name in names:
            released(name, size=1)
        for page in (LIST, CARDS):
            noor.get(page)
            with CaptureQueriesContext(connection) as captured:
                assert noor.get(page).status_code == 200
            counts.append(len(captured))
    assert counts[:2] == counts[2:]
