"""The credit figures that a job computes every night, and the console that shows them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.actor import SOVEREIGN_ADMIN
from billing.locks import post_expired_credit
from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.post_entry import adjust_credit
from orders.use_cases.figures.refresh_figures import refresh_figures
from promos.models import CampaignFigures, CodeFigures, DealerFigures, Redemption
from promos.use_cases.redeem_code import redeem, release
from tests.console import client_of, create_user
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor
from tests.orders.conftest import Buy
from tests.promos.cards.make_batch import active, codes_of
from tests.promos.ranges.make_ranges import act, dealer

pytestmark = pytest.mark.django_db

FIGURES = ("redemptions", "customers", "granted_minor", "spent_minor", "expired_minor", "left_minor")


def figures_of(code: str) -> tuple[int, ...]:
    refresh_figures()
    figures = CodeFigures.objects.get(promo_code__code=code)
    return tuple(getattr(figures, name) for name in FIGURES)


def spend(customer: Customer, amount_minor: int) -> None:
    adjust_credit(customer_id=customer.pk, amount_minor=-amount_minor, why="a spend", by=actor())


def test_the_oldest_credit_is_spent_first() -> None:
    ada = CustomerFactory.create(user_id="ada")
    for code in ("OLD", "NEW"):
        PromoCodeFactory.create(code=code, credit_minor=10_000)
        redeem(code=code, user_id="ada", by=acting(ada))
    spend(ada, 12_000)
    assert figures_of("OLD") == (1, 1, 10_000, 10_000, 0, 0)
    assert figures_of("NEW") == (1, 1, 10_000, 2_000, 0, 8_000)
    spend(ada, 8_000)
    assert figures_of("NEW") == (1, 1, 10_000, 10_000, 0, 0)


def test_expiring_credit_is_spent_first_and_its_rest_expires() -> None:
    ada = CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="STAYS", credit_minor=10_000)
    PromoCodeFactory.create(code="ENDS", credit_minor=10_000, credit_days=3)
    for code in ("STAYS", "ENDS"):
        redeem(code=code, user_id="ada", by=acting(ada))
    spend(ada, 4_000)
    assert figures_of("ENDS") == (1, 1, 10_000, 4_000, 0, 6_000)
    post_expired_credit(customer_ids=[ada.pk], now=timezone.now() + timedelta(days=4))
    assert figures_of("ENDS") == (1, 1, 10_000, 4_000, 6_000, 0)
    assert figures_of("STAYS") == (1, 1, 10_000, 0, 0, 10_000)


def test_a_released_redemption_does_not_count_and_a_campaign_adds_its_codes_up() -> None:
    campaign = CampaignFactory.create(name="Spring")
    for code in ("ONE", "TWO"):
        PromoCodeFactory.create(code=code, credit_minor=10_000, campaign_id=campaign.pk)
        redeem(code=code, user_id="ada", by=actor())
    redeem(code="TWO", user_id="bob", by=actor())
    release(redemption=Redemption.objects.get(customer__user_id="bob"), reason="a mistake", by=actor())
    refresh_figures()
    found = CampaignFigures.objects.get()
    assert tuple(getattr(found, name) for name in FIGURES) == (2, 1, 20_000, 0, 0, 20_000)
    assert found.last_used_at == Redemption.objects.filter(status="confirmed").latest("reserved_at").reserved_at
    assert LedgerEntry.objects.filter(kind="reversal").exists()


def test_a_customer_who_pays_by_card_later_is_a_paying_one(buy: Buy, ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=10_000)
    for user_id in ("ada", "bob"):
        redeem(code="GIFT", user_id=user_id, by=actor())
    placed = buy("m")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_payment"
            " (order_id, status, amount_minor, currency, leased_until, expires_at, session_id, paid_at)"
            " VALUES (%s, 'paid', 1000, 'OMR', now(), now() + interval '1 h', 'cs_1', now() + interval '1 min')",
            [placed.order_id],
        )
    refresh_figures()
    found = CodeFigures.objects.get()
    assert (found.customers, found.paying_customers, found.spent_minor) == (2, 1, 9_000)


def test_a_dealers_cards_are_counted_by_state() -> None:
    batch = active(size=10)
    shop = dealer()
    act(batch, "allocate", 1, 8, dealer=shop)
    act(batch, "activate", 1, 5)
    act(batch, "lock", 5)
    redeem(code=codes_of(batch)[0], user_id="ada", by=actor())
    refresh_figures()
    found = DealerFigures.objects.get()
    assert (found.allocated, found.activated, found.redeemed, found.credit_minor) == (8, 4, 1, 5_000)
    assert CodeFigures.objects.get(promo_code=batch.promo_code_id).granted_minor == 5_000


def test_lists_and_pages_show_the_figures_without_a_query_for_each_row() -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    campaign = CampaignFactory.create(name="Spring")
    made = [PromoCodeFactory.create(code="ONE", credit_minor=10_000, campaign_id=campaign.pk)]
    counts = []
    for codes in ([], [f"MORE-{number}" for number in range(20)]):
        made += [PromoCodeFactory.create(code=code, credit_minor=10_000, campaign_id=campaign.pk) for code in codes]
        for each in made:
            redeem(code=each.code, user_id=f"ada-{len(made)}", by=actor())
        refresh_figures()
        with CaptureQueriesContext(connection) as counted:
            page = client.get(reverse("admin:promos_promocode_changelist")).content.decode()
        counts.append(len(counted))
        assert "OMR left<" in page
    assert counts[0] == counts[1]
    for address in (
        reverse("admin:promos_promocode_change", args=[made[0].pk]),
        reverse("admin:promos_campaign_change", args=[campaign.pk]),
    ):
        page = client.get(address).content.decode()
        assert "Outstanding" in page and "Paid by card later" in page
