"""Reads what ledger entries belong to: their customer, order, organization, code, card and campaign."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from django.db import connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedEntry:
    """A ledger entry with the names of what it belongs to. The redemption is its own, or that of its lot."""

    id: UUID
    created_at: datetime
    user_id: str
    email: str
    version: int
    kind: str
    credit_class: str
    amount_minor: int
    balance_after_minor: int
    currency: str
    reason: str
    note: str
    expires_at: datetime | None
    order_id: UUID | None
    organization_id: UUID | None
    organization: str | None
    redemption_id: UUID | None
    code: str | None
    card_serial: int | None
    campaign_id: UUID | None
    campaign: str | None
    reverses_id: UUID | None
    lot_id: UUID | None
    actor_id: str
    actor_role: str
    channel: str
    address: str | None


# In the order of the fields above.
_DESCRIBE = """
SELECT e.id, e.created_at, customer.user_id, customer.email, e.version, e.kind, e.credit_class, e.amount_minor,
       e.balance_after_minor, account.currency, e.reason, e.note, e.expires_at, e.order_id, organization.id,
       organization.name, redemption.id, code.code, redemption.card_serial, campaign.id, campaign.name, e.reverses_id,
       e.lot_id, e.actor_id, e.actor_role, e.channel, host(e.address)
  FROM unnest(%s::uuid[]) AS wanted (id)
  JOIN billing_ledgerentry e ON e.id = wanted.id
  JOIN billing_account account ON account.customer_id = e.account_id
  JOIN billing_customer customer ON customer.id = e.account_id
  LEFT JOIN billing_ledgerentry lot ON lot.id = e.lot_id
  LEFT JOIN orders_order o ON o.id = e.order_id
  LEFT JOIN billing_organization organization ON organization.id = o.organization_id
  LEFT JOIN promos_redemption redemption ON redemption.id = coalesce(e.redemption_id, lot.redemption_id)
  LEFT JOIN promos_promocode code ON code.id = redemption.promo_code_id
  LEFT JOIN promos_campaign campaign ON campaign.id = code.campaign_id
 ORDER BY e.id
"""


def describe_entries(keys: Sequence[UUID]) -> list[DescribedEntry]:
    """Returns these entries with the names of what they belong to, ordered by key. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_DESCRIBE, [list(keys)])
        names = [field.name for field in fields(DescribedEntry)]
        return [DescribedEntry(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
