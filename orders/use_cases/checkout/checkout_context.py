"""Everything that a checkout decides by, as it is now, read by one statement; nothing is locked.

A round trip costs more than what it fetches, and the checkout of a hot code has thousands of them: so one statement
reads the stored answer, the organization, what it is subscribed to, the catalog's offers and the code. What any of it
means is decided here and in place_order.py, in the order in which people are told.

The key is looked up apart (LIMIT): joined, a statement planned while the table was empty reads all keys for one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from billing.errors import OrganizationNotFound
from orders.models.basket import Basket, Request, Subscribed
from orders.queries import OFFERED, Offer, References, price_basket
from promos.models import PromoCode
from promos.queries import normal_code
from promos.use_cases.check_eligibility import redeemable

_CODE_FIELDS = tuple(field.attname for field in PromoCode._meta.concrete_fields)
_CONTEXT = f"""
SELECT k.order_id, k.request_hash, k.balance_after_minor, k.session_url,
       o.customer_id, o.slug,
       s.id, s.plan_id, s.addon_ids,
       (SELECT jsonb_agg(jsonb_build_array(kind, id, slug, name, price_minor)) FROM ({OFFERED}) AS offered),
       p.max_redemptions = 0
         OR EXISTS (SELECT FROM promos_promocounter n WHERE n.promo_code_id = p.id AND n.used < n.quota),
       EXISTS (SELECT FROM promos_redemption r WHERE r.promo_code_id = p.id AND r.customer_id = c.id
                  AND r.status IN ('reserved', 'confirmed')),
       (SELECT version FROM orders_catalogversion),
       {", ".join(f"p.{name}" for name in _CODE_FIELDS)}
  FROM (SELECT) AS one
  LEFT JOIN billing_customer c ON c.user_id = %(user_id)s
  LEFT JOIN billing_organization o ON o.id = %(tenant)s::uuid AND o.customer_id = c.id AND o.status <> 'deleted'
  LEFT JOIN billing_subscription s ON s.organization_id = o.id
        AND NOT (s.status IN ('canceled', 'incomplete_expired'))
  LEFT JOIN LATERAL (SELECT * FROM orders_idempotencykey
                      WHERE customer_id = c.id AND key = %(key)s AND expires_at > %(now)s LIMIT 1) k ON true
  LEFT JOIN promos_promocode p ON p.code = %(code)s
"""  # noqa: S608 - the names of our own columns


class Priced(NamedTuple):
    """A basket, and the version of the catalog that it was priced by."""

    basket: Basket
    catalog: UUID


# What was priced last, for who asks for the same. Whether the catalog is still that one the database knows.
_priced: dict[References, Priced] = {}
_MOST_PRICED = 1_000


def priced_before(request: Request) -> Priced | None:
    """What the request names, as it was priced when it was last asked for. No query."""
    return _priced.get(_references(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is stored under the request's key; without a balance it is still being asked for."""

    order_id: UUID
    request_hash: str
    balance_after_minor: int | None
    session_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutContext:
    """What was seen; each method decides one thing by it, and raises what people are told."""

    request: Request
    now: datetime
    answer: Answer | None
    subscribed: Subscribed | None
    _customer_id: int | None
    _subdomain: str
    _offers: Sequence[Offer]
    _catalog: UUID | None
    _promo_code: PromoCode | None
    _places_free: bool
    _redeemed: bool

    def customer_id(self) -> int:
        """Whose organization it is. Raises: OrganizationNotFound, also for another's."""
        if self._customer_id is None:
            raise OrganizationNotFound
        return self._customer_id

    @property
    def subdomain(self) -> str:
        return self._subdomain

    def basket(self) -> Basket:
        """What is asked for, at the prices of now. Raises: UnknownPlan, UnknownApp, UnknownAddOn."""
        references = _references(self.request)
        basket = price_basket(references, self._offers)
        if self._catalog is not None:
            if len(_priced) >= _MOST_PRICED:
                _priced.clear()
            _priced[references] = Priced(basket, self._catalog)
        return basket

    def promo_code(self) -> PromoCode | None:
        """The code, where one is named and nothing that can be seen stands against it. Raises: a PromoProblem."""
        if not self.request.promo_code:
            return None
        return redeemable(self._promo_code, now=self.now, has_free_slot=self._places_free, redeemed=self._redeemed)


def load_checkout_context(*, request: Request, user_id: str, now: datetime) -> CheckoutContext:
    """What there is of all that the request names, for this user. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CONTEXT,
            {
                "user_id": user_id,
                "tenant": request.tenant_id,
                "key": request.idempotency_key,
                "code": normal_code(request.promo_code),
                "now": now,
                **_references(request).parameters(),
            },
        )
        row: tuple[Any, ...] = cursor.fetchone()
    order_id, request_hash, balance_minor, session_url, customer_id, subdomain, live, plan_id, addon_ids = row[:9]
    offers, has_free_slot, redeemed, catalog, *code = row[9:]
    return CheckoutContext(
        request=request,
        now=now,
        answer=order_id
        and Answer(
            order_id=order_id,
            request_hash=request_hash,
            balance_after_minor=balance_minor,
            session_url=session_url,
        ),
        subscribed=live and Subscribed(id=live, plan_id=plan_id, addon_ids=json.loads(addon_ids)),
        _customer_id=customer_id,
        _subdomain=subdomain or "",
        _offers=[Offer(kind, UUID(item), *rest) for kind, item, *rest in json.loads(offers or "[]")],
        _catalog=catalog,
        _promo_code=PromoCode.from_db(connection.alias, _CODE_FIELDS, code) if code[0] else None,
        _places_free=bool(has_free_slot),
        _redeemed=redeemed,
    )


def _references(request: Request) -> References:
    return References(plans=(request.plan,), apps=request.apps, addons=request.addons)
