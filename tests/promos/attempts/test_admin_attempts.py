"""Staff find out in the console why a customer's code was refused."""

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from billing.actor import CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN, Actor
from promos.admin.oversight.attempts import title_of_value
from promos.errors import PromoDailyLimit, PromoExhausted, PromoExpired
from promos.models import PromoCode
from promos.models.restrictions import Restrictions
from tests.console import client_of, create_user, refuse_code
from tests.factories import CustomerFactory, PromoCodeFactory
from tests.promos.cards.make_batch import active, codes_of
from tests.refusal_sentences import PROJECT

pytestmark = pytest.mark.django_db

LIST = reverse("admin:promos_refusedattempt_changelist")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(SUPERADMIN))


@pytest.fixture
def gift(db: None) -> PromoCode:
    code: PromoCode = PromoCodeFactory.create(code="GIFT", expires_at=YESTERDAY)
    return code


def by(user_id: str = "ada", address: str = "203.0.113.9") -> Actor:
    return Actor(user_id=user_id, role=CUSTOMER, channel="api", address=address)


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == HTTPStatus.OK
    return str(answer.content.decode())


@pytest.mark.parametrize("record", ["billing_customer", "promos_promocode"])
def test_the_reason_is_three_clicks_away_from_the_customer_and_from_the_code(
    client: Client, gift: PromoCode, record: str
) -> None:
    ada = CustomerFactory.create(user_id="ada", email="ada@example.org")
    attempt = refuse_code("gift", PromoExpired(), by=by())
    found = reverse("admin:promos_refusedattempt_change", args=[attempt.pk])
    key = ada.pk if record == "billing_customer" else gift.pk
    assert f'href="{found}"' in text_of(client, reverse(f"admin:{record}_change", args=[key]))
    text = text_of(client, found)
    for shown in ("has expired", "promo_expired", "Expires at", "ada@example.org", "203.0.113.9", "GIFT"):
        assert shown in text


@pytest.mark.parametrize("term", ["gift", " GIFT ", "ada", "ada@example.org", "203.0.113.9", "No-Such-Thing"])
def test_search_finds_code_customer_and_address(client: Client, gift: PromoCode, term: str) -> None:
    CustomerFactory.create(user_id="ada", email="ada@example.org")
    mine = refuse_code("gift", PromoExpired(), by=by())
    unknown = refuse_code("no-such-thing", by=by("eve", "203.0.113.10"))
    text = text_of(client, f"{LIST}?q={term}")
    expected, other = (unknown, mine) if term == "No-Such-Thing" else (mine, unknown)
    assert str(expected.pk) in text
    assert str(other.pk) not in text


@pytest.mark.parametrize(
    "query",
    [
        "rule=promo_expired",
        "user_id=ada",
        "address=203.0.113.9",
        "promo_code__code=GIFT",
        "created_at_from=2026-01-01",
    ],
)
def test_list_is_filtered(client: Client, gift: PromoCode, query: str) -> None:
    attempt = refuse_code("gift", PromoExpired(), by=by())
    other = refuse_code("nothing-like-it", by=by("eve", "203.0.113.10"))
    text = text_of(client, f"{LIST}?{query}")
    assert str(attempt.pk) in text
    assert (str(other.pk) in text) == query.startswith("created_at")


def test_a_card_is_named_by_its_serial_and_its_page_shows_the_attempt(client: Client) -> None:
    batch = active()
    code = codes_of(batch)[0]
    attempt = refuse_code(code, PromoExhausted(), by=by())
    found = reverse("admin:promos_refusedattempt_change", args=[attempt.pk])
    assert found in text_of(client, reverse("admin:promos_card_change", args=[batch.first_serial]))
    for page in (found, f"{LIST}?q={batch.first_serial}"):
        text = text_of(client, page)
        assert str(batch.first_serial) in text
        assert escape(code) not in text and code.replace("-", "") not in text
    assert str(attempt.pk) in text_of(client, f"{LIST}?q={code}")


def test_the_list_costs_the_same_for_one_row_and_for_fifty(client: Client, gift: PromoCode) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            text_of(client, LIST)
        return len(queries)

    refuse_code("gift", PromoExpired(), by=by(CustomerFactory.create().user_id))
    before = counted()
    for number in range(50):
        refuse_code("gift" if number % 2 else f"no-{number}", by=by(CustomerFactory.create().user_id))
    assert counted() == before


def test_a_limit_that_is_reached_stands_with_the_uses(client: Client) -> None:
    values = {"uses_per_day": 2, "used": 2, "campaign_uses_per_day": 9, "campaign_used": 3}
    PromoCodeFactory.create(code="DAILY")
    attempt = refuse_code("daily", PromoDailyLimit(**values), by=by())
    facts = {
        fact.title: fact.value
        for fact in client.get(reverse("admin:promos_refusedattempt_change", args=[attempt.pk])).context["facts"]
    }
    assert facts["Uses per customer and day"] == "2 of 2"
    assert facts["Uses per customer and day of the campaign"] == "3 of 9"
    assert not {"used", "campaign_used"} & facts.keys()


def test_every_value_that_decides_has_a_title() -> None:
    written = (PROJECT / "promos/use_cases/attempts/attempts.sql").read_text().split("CASE r.rule")[1]
    names = set(re.findall(r"'(\w+)', ", written.split("ELSE '{}'")[0]))
    assert len(names) > 15
    # Lists of customers are not copied.
    rules = Restrictions.__annotations__.keys() - {"customers", "time_zone"}
    names |= {f"{of}{rule}" for of in ("", "campaign_") for rule in rules}
    assert {name for name in names if title_of_value(name) == name} == set()


def test_a_sovereign_admin_reads_them(gift: PromoCode) -> None:
    attempt = refuse_code("gift", PromoExpired(), by=by())
    text_of(client_of(create_user(SOVEREIGN_ADMIN)), reverse("admin:promos_refusedattempt_change", args=[attempt.pk]))
