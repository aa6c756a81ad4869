"""The console's pages of ranges and dealers: acts with their reports, and a dealer's own view."""

from http import HTTPStatus

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from billing.actor import DEALER, SOVEREIGN_ADMIN, SUPPORT
from billing.models import AuditEntry
from promos.models import CardRange, Dealer, Redemption
from promos.use_cases.redeem_code import release
from tests.console import Browser, client_of, create_user, form_errors, shown_messages
from tests.factories import CustomerFactory, actor
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.snapshot import nothing_changes

from .make_ranges import act, dealer, ranges_of

pytestmark = pytest.mark.django_db(transaction=True)
RANGES, DEALERS = "/admin/promos/cardrange/", "/admin/promos/dealer/"


@pytest.fixture
def noor() -> Browser:
    return client_of(create_user(SOVEREIGN_ADMIN))


def test_staff_act_on_serial_numbers_and_read_what_was_skipped(noor: Browser) -> None:
    batch, shop = active(size=5), dealer()
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    page = f"/admin/promos/batch/{batch.pk}/range/"
    sent = {"act": "allocate", "first": batch.first_serial, "last": batch.last_serial, "reason": "for the mall"}
    answer = noor.submit(page, {**sent, "dealer": shop.pk})
    assert shown_messages(answer) == ["Allocated: 4 of 5 cards. Skipped: 1 redeemed already."]
    assert ranges_of(batch) == [(1, 5, "allocated", False, "Muscat Mall")]
    assert "Muscat Mall" in noor.get(f"/admin/promos/batch/{batch.pk}/change/").content.decode()
    row = CardRange.objects.get()
    answer = noor.submit(f"{RANGES}{row.pk}/act/", {**sent, "act": "void", "first": batch.last_serial})
    assert shown_messages(answer) == ["Voided: 1 of 1 cards."]
    for address in (RANGES, f"{RANGES}{row.pk}/change/", f"{RANGES}?q=muscat", f"{RANGES}?dealer={shop.pk}"):
        assert "Muscat Mall" in noor.get(address).content.decode()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"first": "0"}, "last"),
        ({"act": "allocate"}, "dealer"),
        ({"act": "extend"}, "expires_at"),
        ({"act": "extend", "expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"reason": ""}, "reason"),
        ({"act": "melt"}, "act"),
    ],
)
def test_bad_input_is_shown_at_its_field(noor: Browser, wrong: dict[str, str], field: str) -> None:
    batch = active()
    sent = {"act": "lock", "first": batch.first_serial, "last": batch.last_serial, "reason": "x", **wrong}
    with nothing_changes():
        answer = noor.submit(f"/admin/promos/batch/{batch.pk}/range/", sent)
    assert list(form_errors(answer)) == [field]


def upload(*rows: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("box.csv", "\r\n".join(["\ufeffserial;;", *(f"{row};;" for row in rows)]).encode())


def test_file_of_serial_numbers_is_checked_confirmed_and_acted_on_once(noor: Browser) -> None:
    batch, shop = active(size=5), dealer()
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    page = f"/admin/promos/batch/{batch.pk}/serials/"
    sent = {"act": "allocate", "dealer": shop.pk, "reason": "for the mall"}
    with nothing_changes():
        checked = noor.submit(page, {**sent, "file": upload(batch.first_serial, f"'{batch.last_serial}")})
    assert "redeemed already" in checked.content.decode()
    form = checked.context["form"]
    confirmed = {**sent, "spans": form["spans"].value(), "confirmed": "yes", "form_token": checked.context["token"]}
    for said in ("Allocated: 1 of 2 cards. Skipped: 1 redeemed already.", "This was done already"):
        message = shown_messages(noor.post(page, confirmed))[-1]
        assert message.startswith(said)
    assert ranges_of(batch) == [(1, 1, "allocated", False, "Muscat Mall"), (5, 5, "allocated", False, "Muscat Mall")]


def test_bad_rows_of_a_file_are_shown_at_its_field(noor: Browser) -> None:
    batch = active(size=5)
    page, sent = f"/admin/promos/batch/{batch.pk}/serials/", {"act": "lock", "reason": "lost"}
    with nothing_changes():
        bad = noor.submit(page, {**sent, "file": upload(batch.first_serial, "1.2E+05", batch.first_serial)})
        none = noor.submit(page, sent)
        forged = noor.submit(page, {**sent, "spans": "a-b", "confirmed": "yes"})
        foreign = noor.submit(page, {**sent, "spans": "900-901", "confirmed": "yes"})
    assert [text.partition(":")[0] for text in form_errors(bad)["file"]] == ["Line 3", "Line 4"]
    assert form_errors(none) == {"file": ["Choose a file."]}
    assert list(form_errors(forged)) == ["spans"]
    assert form_errors(foreign)


def test_dealer_sees_and_activates_its_own_cards_only() -> None:
    omar = create_user(DEALER)
    browser, batch = client_of(omar), active(size=9)
    own, other = dealer(user_id=omar.sub), dealer("Nizwa Souq")
    act(batch, "allocate", 1, 3, dealer=own)
    act(batch, "allocate", 4, 6, dealer=other)
    mine, theirs = CardRange.objects.order_by("first_serial")
    page = browser.get(RANGES).content.decode()
    assert "Muscat Mall" in page and "Nizwa Souq" not in page
    for path in ("act", "change"):
        assert browser.get(f"{RANGES}{theirs.pk}/{path}/").status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.FOUND)
    for address in ("/admin/promos/batch/", f"/admin/promos/batch/{batch.pk}/range/", DEALERS, "/admin/promos/card/"):
        assert browser.get(address).status_code == HTTPStatus.FORBIDDEN
    sent = {"first": batch.first_serial, "last": batch.last_serial, "reason": "sold", "act": "void"}
    answer = browser.submit(f"{RANGES}{mine.pk}/act/", sent)
    assert shown_messages(answer) == ["Activated: 3 of 9 cards. Skipped: 6 not cards of this dealer."]
    assert [status for _, _, status, *_ in ranges_of(batch)] == ["active", "allocated"]
    assert AuditEntry.objects.latest("pk").actor_role == DEALER


def test_dealer_without_a_record_sees_no_range() -> None:
    batch = active()
    act(batch, "allocate", 1, 3, dealer=dealer())
    browser = client_of(create_user(DEALER))
    assert "Muscat Mall" not in browser.get(RANGES).content.decode()
    assert browser.get(f"{RANGES}{CardRange.objects.get().pk}/act/").status_code != HTTPStatus.OK


def test_dealers_are_added_and_linked_to_their_users(noor: Browser) -> None:
    omar = create_user(DEALER)
    noor.submit(f"{DEALERS}add/", {"name": " Muscat Mall ", "user_id": "", "reason": "new"})
    shop = Dealer.objects.get()
    page = f"{DEALERS}{shop.pk}/change/"
    noor.submit(page, {"name": "Mall", "user_id": omar.sub, "reason": "its cashier"})
    shop.refresh_from_db()
    assert (shop.name, shop.user_id) == ("Mall", omar.sub)
    assert [entry.action for entry in AuditEntry.objects.filter(object_type="dealer").order_by("pk")] == [
        "dealer.added",
        "dealer.changed",
    ]
    with nothing_changes():
        answer = noor.submit(f"{DEALERS}add/", {"name": "MALL", "user_id": omar.sub, "reason": "again"})
    assert list(form_errors(answer)) == ["name"]
    with nothing_changes():
        assert list(form_errors(noor.submit(page, {"name": "Mall", "user_id": omar.sub, "reason": ""}))) == ["reason"]


def test_card_page_shows_the_state_of_its_range(noor: Browser) -> None:
    batch = active()
    act(batch, "lock", 1, 1)
    assert "active, locked" in noor.get(f"/admin/promos/card/{batch.first_serial}/change/").content.decode()
    assert "locked" not in noor.get(f"/admin/promos/card/{batch.last_serial}/change/").content.decode()


def test_redemptions_are_found_by_the_dealer_who_holds_the_cards(noor: Browser) -> None:
    """Also those that were released, and none of the cards beside the dealer's."""
    batch, shop, other = active(size=8), dealer(), dealer("Nizwa Souq")
    act(batch, "allocate", 2, 3, dealer=shop)
    act(batch, "allocate", 4, 4, dealer=shop)
    act(batch, "allocate", 7, 7, dealer=shop)
    act(batch, "activate", 1, 8)
    for code in codes_of(batch)[:7]:
        redeem_for(CustomerFactory.create(), code)
    serials = [batch.first_serial + number for number in (1, 2, 3, 6)]
    release(redemption=Redemption.objects.get(card_serial=serials[0]), reason="by mistake", by=actor())
    huda = client_of(create_user(SUPPORT))
    page = reverse("admin:promos_redemption_changelist")

    def found(term: str) -> set[int | None]:
        rows = huda.get(page, {"q": term}).context["cl"].result_list
        return {row.card_serial for row in rows}

    assert found("muscat mall") == set(serials)
    assert found(other.name) == found("nobody") == set()
    assert f'href="{page}?q=Muscat+Mall"' in huda.get(f"{DEALERS}{shop.pk}/change/").content.decode()
