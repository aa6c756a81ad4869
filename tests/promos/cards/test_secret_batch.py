"""Secret batches: only hashes of their codes are stored, and their one file is handed out once, under two people."""

from typing import Any

import pyrage
import pytest
from django.db import connection

from billing.actor import SOVEREIGN_ADMIN, SUPERADMIN
from billing.errors import OwnProposal
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal
from orders.models import Order
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from promos.errors import (
    BatchIsSecret,
    BatchStateRefuses,
    CardNotActive,
    InvalidCardBatch,
    PrinterFileHandedOut,
    PrinterFileNotYours,
    PromoExhausted,
    PromoNotFound,
)
from promos.models import Batch, Card, PrinterFile, Redemption, RefusedAttempt
from promos.queries import find_code
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.cards import generate_cards as generating
from promos.use_cases.cards.change_batch import activate_batch, release_batch
from promos.use_cases.cards.export_cards import hand_out_codes
from promos.use_cases.cards.generate_cards import generate_cards
from promos.use_cases.cards.printer_file import download_printer_file, propose_printer_file
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_user
from tests.factories import CustomerFactory, OrganizationFactory, PlanFactory, acting, actor
from tests.promos.cards.make_batch import (
    APPROVER,
    DRAFTER,
    PRINTER,
    active,
    approved,
    codes_of,
    draft,
    printed_codes,
    redeem_for,
    secret,
)
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


def in_use(**terms: Any) -> tuple[Batch, list[str]]:
    batch = secret(**terms)
    codes = printed_codes(batch)
    release_batch(batch=batch, by=DRAFTER, reason="to the printer")
    return activate_batch(batch=batch, by=DRAFTER, reason="in the shops"), codes


def test_the_database_holds_hashes_and_the_printer_reads_the_codes(db: None) -> None:
    batch = secret(size=5)
    codes = printed_codes(batch)
    assert len(set(codes)) == 5
    stored = list(Card.objects.filter(batch=batch).values_list("code", flat=True))
    assert all(each.startswith("~") and len(each) == 33 for each in stored)
    with connection.cursor() as cursor:
        for table in ("promos_card", "promos_promocode", "billing_auditentry", "promos_printerfile"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            [text] = cursor.fetchone()
            assert not any(code in text or code.replace("-", "") in text for code in codes), table
    with pytest.raises(pyrage.DecryptError):
        other = type(PRINTER).generate()
        pyrage.decrypt(bytes(PrinterFile.objects.get(batch=batch).content), [other])


def test_a_card_is_redeemed_once_in_any_case(db: None) -> None:
    _, codes = in_use()
    ada, bob = CustomerFactory.create(), CustomerFactory.create()
    redeem_for(ada, codes[0].lower())
    assert Redemption.objects.get().credit_minor == 5_000
    with nothing_changes(), pytest.raises(PromoExhausted):
        redeem_for(bob, codes[0])
    redeem_for(bob, codes[1])


def test_a_card_pays_for_an_order_which_does_not_name_its_code(db: None) -> None:
    _, codes = in_use()
    ada = CustomerFactory.create()
    organization = OrganizationFactory.create(customer=ada)
    PlanFactory.create(slug="tiny", price_minor=4_000)
    request = CheckoutRequest(tenant_id=organization.id, plan="tiny", promo_code=codes[2])
    placed = place_order(request=request, by=acting(ada))
    assert placed.balance_minor == 1_000
    order = Order.objects.get()
    assert order.promo_code.startswith("~")
    page = client_of(create_user(SUPERADMIN)).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "secret card" in page
    assert codes[2] not in page
    assert codes[2].replace("-", "") not in page


def test_what_is_stored_is_no_code(db: None) -> None:
    batch, _ = in_use()
    stored = Card.objects.filter(batch=batch).values_list("code", flat=True)[0]
    assert find_code(stored) is None
    customer = CustomerFactory.create()
    with nothing_changes(), pytest.raises(PromoNotFound):
        redeem_for(customer, stored)


def test_an_inactive_card_looks_unknown_and_staff_see_it(db: None) -> None:
    batch = secret()
    [code, *_] = printed_codes(batch)
    customer = CustomerFactory.create()
    with nothing_changes(), pytest.raises(CardNotActive) as refused:
        redeem(code=code, user_id=customer.user_id, by=acting(customer))
    assert (refused.value.code, refused.value.status, refused.value.text) == (
        PromoNotFound.code,
        PromoNotFound.status,
        PromoNotFound().text,
    )
    record_attempt(refused.value, code=code, act=RefusedAttempt.Act.REDEMPTION, by=acting(customer))
    attempt = RefusedAttempt.objects.get()
    assert (attempt.rule, attempt.code, attempt.card_serial) == ("card_not_active", "", batch.first_serial)


def test_cards_of_an_earlier_secret_are_found_while_it_is_listed(db: None, settings: Any) -> None:
    _, codes = in_use()
    before, settings.CARD_CODE_SECRET = settings.CARD_CODE_SECRET, "another-secret-of-cards-0123456789-abcdef"
    assert find_code(codes[0]) is None
    settings.CARD_CODE_SECRET_FALLBACKS = [before]
    redeem_for(CustomerFactory.create(), codes[0])


def test_open_cards_cost_no_more(db: None, django_assert_num_queries: Any) -> None:
    in_use()
    [code, *_] = codes_of(active())
    with django_assert_num_queries(1):
        assert find_code(code) is not None


def test_its_codes_are_neither_exported_nor_printed(db: None) -> None:
    batch = release_batch(batch=secret(), by=DRAFTER, reason="ready")
    with nothing_changes(), pytest.raises(BatchIsSecret):
        hand_out_codes(batch=batch, first=1, last=2, how="exported", by=DRAFTER, reason="curious")


def test_a_second_worker_writes_nothing(db: None) -> None:
    batch = secret()
    with nothing_changes():
        assert generate_cards(batch_id=batch.pk) == 3


def test_a_worker_that_dies_leaves_no_card_and_the_next_one_makes_all(db: None, monkeypatch: Any) -> None:
    batch = approved("PRINTED-2", printer_key=str(PRINTER.to_public()))

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, nothing_changes():
        patched.setattr(generating, "store_printer_file", die)
        with pytest.raises(KeyboardInterrupt):
            generate_cards(batch_id=batch.pk)
    generate_cards(batch_id=batch.pk)
    assert len(printed_codes(batch)) == Card.objects.filter(batch=batch).count() == 3


def test_the_file_is_handed_out_once_under_two_people(db: None) -> None:
    batch = secret()
    proposal = propose_printer_file(batch=batch, by=DRAFTER, reason="to the printer")
    with nothing_changes(), pytest.raises(OwnProposal):
        approve_proposal(proposal_id=proposal.pk, by=DRAFTER)
    with nothing_changes(), pytest.raises(PrinterFileNotYours):
        download_printer_file(batch=batch, by=DRAFTER)
    approve_proposal(proposal_id=proposal.pk, by=APPROVER)
    with nothing_changes(), pytest.raises(PrinterFileNotYours):
        download_printer_file(batch=batch, by=APPROVER)
    # A download that broke off is repeated by the same person.
    assert (
        download_printer_file(batch=batch, by=DRAFTER).digest == download_printer_file(batch=batch, by=DRAFTER).digest
    )
    with nothing_changes(), pytest.raises(PrinterFileHandedOut):
        propose_printer_file(batch=batch, by=APPROVER, reason="once more")
    release_batch(batch=batch, by=DRAFTER, reason="printed")
    activate_batch(batch=batch, by=DRAFTER, reason="in the shops")
    assert not PrinterFile.objects.get(batch=batch).content
    with nothing_changes(), pytest.raises(BatchStateRefuses):
        download_printer_file(batch=batch, by=DRAFTER)


@pytest.mark.parametrize("key", ["age1", "AGE-SECRET-KEY-1QQQ", "ssh-rsa AAAA"])
def test_a_wrong_key_is_refused(db: None, key: str) -> None:
    with nothing_changes(), pytest.raises(InvalidCardBatch) as refused:
        draft(printer_key=key)
    assert list(refused.value.fields or {}) == ["printer_key"]


def test_staff_find_a_secret_card_by_its_code(db: None) -> None:
    batch, codes = in_use()
    client = client_of(create_user(SOVEREIGN_ADMIN))
    page = client.get("/admin/promos/card/", {"q": codes[1]}).content.decode()
    assert str(batch.first_serial + 1) in page
    assert "secret" in page
    assert codes[1][-4:] not in client.get(f"/admin/promos/card/{batch.first_serial + 1}/change/").content.decode()


def test_the_console_hands_the_file_out(db: None) -> None:
    batch = secret()
    noor = create_user(SOVEREIGN_ADMIN)
    page = f"/admin/promos/batch/{batch.pk}/"
    client_of(noor).submit(f"{page}handout/", {"reason": "to the printer"})
    other = actor(SUPERADMIN, user_id="salma")
    [proposal] = batch_proposals(batch)
    approve_proposal(proposal_id=proposal.pk, by=other)
    answer = client_of(noor).submit(f"{page}download/", {})
    assert answer["Content-Disposition"] == 'attachment; filename="PRINTED-1.csv.age"'
    assert pyrage.decrypt(answer.content, [PRINTER]).startswith(b"serial,code,")


def batch_proposals(batch: Batch) -> Any:
    return Proposal.objects.filter(subject_model="promos_batch", subject_id=str(batch.pk), status="proposed")
