"""The state that a checkout decides by, read by one statement; nothing is locked.

A round trip costs more than what it fetches, so one statement reads the stored answer, the organization with its
subscription and open payment, the credit, the catalog's offers and the code. Each method of `CheckoutContext` decides
one thing by it; place_order.py asks them in the order in which people learn of refusals. The database checks the same
again under its locks (place_orders.sql).

The key and the code are looked up apart (LIMIT): joined, a statement that was planned while tables were empty reads
every key, redemption and payment.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.actor import Actor
from billing.errors import OrganizationNotFound, OrganizationSuspended
from orders.models.basket import Basket, CheckoutRequest, Subscribed
from orders.queries.offer import OFFERED, Offer, References, find_vat_day, price_basket
from orders.queries.orders import is_first_order
from orders.use_cases.documents.vat import IncludedVat
from orders.use_cases.documents.vat_of_sale import vat_of_facts
from promos.models import Campaign, PromoCode
from promos.models.batch import normal_card_code
from promos.models.secret_code import HASH_MARK, StoredCode, hashes_of_card_code
from promos.queries import normal_code
from promos.use_cases.check_eligibility import redeemable
from promos.use_cases.restrictions.find_broken_restriction import OrderFacts, find_broken_restriction

_CODE_FIELDS = tuple(field.attname for field in PromoCode._meta.concrete_fields)
_CAMPAIGN_FIELDS = tuple(field.attname for field in Campaign._meta.concrete_fields)
_CONTEXT = f"""
SELECT k.result_id, k.request_hash, k.balance_after_minor, k.session_url,
       EXISTS (SELECT FROM orders_payment y WHERE y.order_id = k.result_id),
       o.customer_id, a.balance_minor - a.held_minor - CASE WHEN a.next_expiry <= statement_timestamp()
         THEN billing_expired_minor(a.customer_id, statement_timestamp()) ELSE 0 END,
       EXISTS (SELECT FROM orders_order d WHERE d.organization_id = o.id AND d.status = 'pending'),
       s.id, s.plan_id, s.addon_ids, CASE WHEN %(prorates)s THEN orders_unused_minor(s.id, %(now)s) END,
       (SELECT jsonb_agg(jsonb_build_array(kind, id, slug, name, name_ar, price_minor, apps, basis_points))
          FROM ({OFFERED}) AS offered),
       CASE WHEN f.card IS NOT NULL THEN NOT EXISTS (
         SELECT FROM promos_redemption r WHERE r.card_serial = f.card AND r.status IN ('reserved', 'confirmed'))
       ELSE p.max_redemptions = 0
         OR EXISTS (SELECT FROM promos_promocounter n WHERE n.promo_code_id = p.id AND n.used < n.quota) END
         AND (g.budget_minor = 0 OR p.credit_minor <=
              (SELECT sum(b.quota - b.used) FROM promos_budgetcounter b WHERE b.campaign_id = g.id)),
       CASE WHEN f.card IS NOT NULL THEN EXISTS (
         SELECT FROM promos_redemption r WHERE r.card_serial = f.card AND r.customer_id = c.id
                   AND r.status IN ('reserved', 'confirmed'))
       ELSE EXISTS (SELECT FROM promos_redemption r WHERE r.promo_code_id = p.id AND r.customer_id = c.id
                       AND r.card_serial IS NULL AND r.use_number IS NULL
                       AND r.status IN ('reserved', 'confirmed')) END,
       (SELECT version FROM orders_catalogversion), c.email, o.suspended_by_staff, f.card,
       of_card.id IS NULL OR of_card.status = 'active' AND NOT of_card.locked, of_card.expires_at, c.id, f.text,
       CASE WHEN k.result_id IS NOT NULL THEN orders_vat_facts(k.result_id, %(zone)s) END,
       {", ".join(f"p.{name}" for name in _CODE_FIELDS)}, {", ".join(f"g.{name}" for name in _CAMPAIGN_FIELDS)}
  FROM (SELECT) AS one
  LEFT JOIN billing_customer c ON c.user_id = %(user_id)s
  LEFT JOIN billing_account a ON a.customer_id = c.id
  LEFT JOIN billing_organization o ON o.id = %(tenant)s::uuid AND o.customer_id = c.id AND o.status <> 'deleted'
  LEFT JOIN billing_subscription s ON s.organization_id = o.id
        AND NOT (s.status IN ('canceled', 'incomplete_expired'))
  LEFT JOIN LATERAL (SELECT * FROM billing_idempotencykey
                      WHERE customer_id = c.id AND key = %(key)s AND expires_at > %(now)s LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT * FROM unnest(promos_find_codes(%(codes)s::text[])) LIMIT 1) f ON true
  LEFT JOIN LATERAL promos_range_of(f.card) AS of_card ON true
  LEFT JOIN promos_promocode p ON p.id = f.promo AND p.retired_at IS NULL
  LEFT JOIN promos_campaign g ON g.id = p.campaign_id
"""  # noqa: S608 - the names of our own columns


class Priced(NamedTuple):
    """A basket, and the version of the catalog and the day of VAT that it was priced by."""

    basket: Basket
    catalog: UUID
    vat_day: date | None


# The baskets that this process has priced. The database checks that their catalog is still the current one.
_priced: dict[References, Priced] = {}
MAX_PRICED_BASKETS = 1_000


def priced_before(request: CheckoutRequest, *, now: datetime | None = None) -> Priced | None:
    """Returns the request's basket as this process priced it, unless another day's VAT applies now. No query."""
    priced = _priced.get(_references(request))
    return priced if priced is not None and priced.vat_day == find_vat_day(now or timezone.now()) else None


def forget_priced_baskets() -> None:
    """Makes the process price each basket again, as if it had just started."""
    _priced.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer stored under the request's key; without a balance, its first attempt has not answered yet."""

    order_id: UUID
    request_hash: str
    balance_after_minor: int | None
    paid_by_card: bool
    session_url: str
    vat: IncludedVat | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutContext:
    """A snapshot of everything that the request names."""

    request: CheckoutRequest
    now: datetime
    answer: StoredAnswer | None
    subscribed: Subscribed | None
    has_open_payment: bool
    available_minor: int
    proration_minor: int
    catalog: UUID
    email: str
    is_suspended: bool
    caller_id: int | None
    _customer_id: int | None
    _offers: Sequence[Offer]
    _promo_code: PromoCode | None
    _has_free_slot: bool
    _redeemed: bool

    @property
    def credit_minor(self) -> int:
        """The credit that an order may use, without a code's: what is available, and the unused month."""
        return self.available_minor + self.proration_minor

    def check_organization(self) -> None:
        """Raises: OrganizationNotFound, also for another customer's organization."""
        if self._customer_id is None:
            raise OrganizationNotFound

    def check_not_suspended(self) -> None:
        """Raises: OrganizationSuspended, if staff suspended it."""
        if self.is_suspended:
            raise OrganizationSuspended

    def price_basket(self) -> Basket:
        """Returns the basket at the catalog's prices of now. Raises: as `orders.queries.offer.price_basket`."""
        references = _references(self.request)
        basket = price_basket(references, self._offers)
        if len(_priced) >= MAX_PRICED_BASKETS:
            _priced.clear()
        _priced[references] = Priced(basket, self.catalog, find_vat_day(self.now))
        return basket

    def find_promo_code(self, basket: Basket, *, by: Actor) -> PromoCode | None:
        """Returns the request's code, if the caller can redeem it with this basket. Raises: a PromoProblem.

        No query, except for a restricted code.
        """
        if not self.request.promo_code:
            return None
        found = redeemable(self._promo_code, now=self.now, has_free_slot=self._has_free_slot, redeemed=self._redeemed)
        if not found.restricted:
            return found
        broken = find_broken_restriction(
            found,
            customer_id=self.caller_id,
            user_id=by.user_id,
            email=by.email or self.email,
            order=order_facts(basket, customer_id=self.caller_id, organization_id=self.request.tenant_id),
            now=self.now,
        )
        if broken is not None:
            broken.stored_as = found.stored_as
            raise broken
        return found


def order_facts(basket: Basket, *, customer_id: int | None, organization_id: UUID) -> OrderFacts:
    """Returns what the restrictions of a code are checked by. One query."""
    return OrderFacts(
        total_minor=basket.total_minor,
        plan_id=basket.plan.item_id,
        addon_ids=basket.addons,
        is_first=is_first_order(customer_id=customer_id, organization_id=organization_id),
    )


def load_checkout_context(*, request: CheckoutRequest, user_id: str, now: datetime) -> CheckoutContext:
    """Reads everything that the request names, for this user. One query.

    The context's request names the card of a secret batch in its stored form.
    """
    code = normal_code(request.promo_code)
    with connection.cursor() as cursor:
        cursor.execute(
            _CONTEXT,
            {
                "user_id": user_id,
                "tenant": request.tenant_id,
                "key": request.idempotency_key,
                # An open card is found by the code itself, one of a secret batch by a hash.
                "codes": [code, *hashes_of_card_code(normal_card_code(code))] if code else [],
                "now": now,
                "prorates": settings.PRORATION,
                "zone": settings.SOVEREIGN_TIME_ZONE,
                **_references(request).parameters(now=now),
            },
        )
        row: tuple[Any, ...] = cursor.fetchone()
    order_id, request_hash, balance_minor, session_url, paid_by_card, customer_id, available_minor, is_open = row[:8]
    (
        live,
        plan_id,
        addon_ids,
        proration_minor,
        offers,
        has_free_slot,
        redeemed,
        catalog,
        email,
        is_suspended,
        card,
        card_is_open,
        card_expires_at,
        caller_id,
        found_text,
        vat_facts,
        *found,
    ) = row[8:]
    promo_code = None
    if found[_CODE_FIELDS.index("id")]:
        promo_code = _promo_code(found, found_by=code)
        if found_text.startswith(HASH_MARK):
            promo_code.stored_as = StoredCode(found_text)
            request = replace(request, promo_code=promo_code.stored_as)
        promo_code.card_serial = card
        promo_code.card_is_open, promo_code.card_expires_at = card_is_open, card_expires_at
    return CheckoutContext(
        request=request,
        now=now,
        answer=order_id
        and StoredAnswer(
            order_id=order_id,
            request_hash=request_hash,
            balance_after_minor=balance_minor,
            paid_by_card=paid_by_card,
            session_url=session_url,
            vat=vat_of_facts(vat_facts),
        ),
        subscribed=live and Subscribed(id=live, plan_id=plan_id, addon_ids=json.loads(addon_ids)),
        has_open_payment=is_open,
        available_minor=available_minor or 0,
        proration_minor=proration_minor or 0,
        catalog=catalog,
        email=email or "",
        is_suspended=bool(is_suspended),
        _customer_id=customer_id,
        caller_id=caller_id,
        _offers=[Offer(kind, UUID(item), *rest) for kind, item, *rest in json.loads(offers or "[]")],
        _promo_code=promo_code,
        _has_free_slot=bool(has_free_slot),
        _redeemed=redeemed,
    )


def _promo_code(found: Sequence[Any], *, found_by: str) -> PromoCode:
    """Makes the code of its columns and its campaign's."""
    code, campaign = found[: len(_CODE_FIELDS)], found[len(_CODE_FIELDS) :]
    promo_code = PromoCode.from_db(connection.alias, _CODE_FIELDS, code)
    promo_code.campaign = Campaign.from_db(connection.alias, _CAMPAIGN_FIELDS, campaign)
    for restricted in (promo_code, promo_code.campaign):
        # A cursor returns JSON as text.
        restricted.restrictions = json.loads(cast(str, restricted.restrictions) or "null")
    promo_code.found_by = found_by
    return promo_code


def _references(request: CheckoutRequest) -> References:
    return References(
        plans=(request.plan,),
        apps=request.apps,
        addons=request.addons,
        bundles=(request.bundle,) if request.bundle else (),
    )
