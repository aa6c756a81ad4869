"""Staff read over the API why codes were refused."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from tests.contract.issuing_shapes import ATTEMPT
from tests.factories import PromoCodeFactory

from .api_client import Caller
from .conftest import tenant_of
from .json_shapes import assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS = "billing/attempts"


def test_every_way_to_use_a_code_is_remembered_once(shop: None, ada: Caller, noor: Caller) -> None:
    tenant = tenant_of(ada, "acme")
    PromoCodeFactory.create(code="OVER", expires_at=timezone.now() - timedelta(days=1))
    order = {"tenant_id": tenant, "plan_id": "m", "promo_code": "over"}
    assert ada.post("billing/vouchers/redeem-preview", {"code": "over"}).status == 410
    assert ada.post("billing/checkout/quote", order).status == 200
    assert ada.post("billing/checkout", order).code == "promo_expired"
    assert ada.post("billing/vouchers/redeem", {"code": "over"}).code == "promo_expired"
    found = noor.get(ATTEMPTS)
    assert found.status == 200
    assert [each["act"] for each in found.body] == ["redemption", "checkout", "quote", "preview"]
    for each in found.body:
        assert_shape(each, ATTEMPT)
        assert (each["rule"], each["code"], list(each["values"])) == ("promo_expired", "OVER", ["expires_at"])
    # The preview is public and knows no customer.
    assert [each["customer_id"] for each in found.body] == [ada.user_id] * 3 + [""]


def test_the_list_is_narrowed(shop: None, ada: Caller, bob: Caller, noor: Caller) -> None:
    PromoCodeFactory.create(code="OVER", expires_at=timezone.now() - timedelta(days=1))
    middle = timezone.now
    ada.post("billing/vouchers/redeem", {"code": "over"})
    between = quote(middle().isoformat())
    bob.post("billing/vouchers/redeem", {"code": "never-was"})
    first, second = reversed(noor.get(ATTEMPTS).body)
    for query, expected in (
        ("rule=promo_expired", [first]),
        (f"customer_id={bob.user_id}", [second]),
        ("code=NEVER-WAS", [second]),
        ("code=over", [first]),
        (f"since={between}", [second]),
        (f"until={between}", [first]),
        ("address=203.0.113.77", []),
    ):
        assert noor.get(f"{ATTEMPTS}?{query}").body == expected, query
    for query in ("rule=lost", "address=x", "since=today", "until=2026-01-01"):
        answer = noor.get(f"{ATTEMPTS}?{query}")
        assert (answer.status, list(answer.body["fields"])) == (400, [query.partition("=")[0]])
