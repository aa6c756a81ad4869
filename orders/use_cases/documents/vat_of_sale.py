"""The VAT of a sale before it has its document: of a quote, and of an order in its answer and its mail.

Single-purpose credit had its VAT when it was sold, and free credit has none (books/vat_of_credit.sql), so the VAT
depends on the credit that pays. A paid order's entries name it. A quote finds the credit that the checkout will take.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BigIntegerField, F, Func, Value

from billing.models import Invoice
from orders.models import CardEntry, Order
from orders.use_cases.documents.vat import CreditPaid, IncludedVat, load_rates, points_at, vat_of_sale
from promos.models import PromoCode

# The lots of the account in the order of billing_next_lots, with what the organization's open payment has set aside,
# and the credit that a code will bring. Credit without a lot is multi-purpose.
_EXPECTED = """
WITH pool AS (
  SELECT l.expires_at, l.credit_class, l.version, t.treatment,
         (CASE WHEN %(resumes)s THEN 0 ELSE l.left_minor - l.held_minor END
          + coalesce(pinned.minor, 0))::bigint AS minor
    FROM billing_lot l
    LEFT JOIN LATERAL orders_vat_treatment(l.entry_id) AS t ON true
    LEFT JOIN LATERAL (SELECT sum(m.amount_minor) AS minor FROM billing_hold h
                         JOIN billing_lotmove m ON m.hold_id = h.id AND m.lot_id = l.entry_id
                        WHERE h.order_id = %(open_order)s::uuid AND h.status = 'active') AS pinned ON true
   WHERE l.account_id = %(account)s AND l.left_minor > 0
     AND (l.expires_at IS NULL OR l.expires_at > %(now)s OR pinned.minor > 0)
  UNION ALL
  SELECT %(expires_at)s::timestamptz, %(credit_class)s::text, NULL, %(treatment)s::text, %(code_minor)s::bigint
), taken AS (
  SELECT treatment, least(minor, %(wanted)s - before) AS part
    FROM (SELECT p.*, sum(minor) OVER (
                        ORDER BY expires_at,
                                 (credit_class = 'sold') IS DISTINCT FROM
                                 (coalesce(current_setting('qasima.spend_sold_first', true), 'off') = 'on'),
                                 version
                        ROWS UNBOUNDED PRECEDING)::bigint - minor AS before
            FROM pool p WHERE minor > 0) AS o
   WHERE before < %(wanted)s
)
SELECT coalesce(sum(part) FILTER (WHERE treatment = 'single_purpose'), 0)::bigint,
       coalesce(sum(part) FILTER (WHERE treatment = 'no_consideration'), 0)::bigint
  FROM taken
"""


def expected_vat(
    *,
    account_id: int | None,
    credit_minor: int,
    card_minor: int,
    code: PromoCode | None,
    open_order: Order | None,
    resumes: bool,
    basis_points: int,
    now: datetime,
) -> IncludedVat | None:
    """Returns the VAT that the invoice of a checkout will have; None without a rate.

    Args: code: what the checkout redeems. open_order: the order that waits for a payment, and whose credit is given
    back, or used by a checkout that resumes it. One query where credit pays under a rate.
    """
    if not basis_points:
        return None
    single_minor, free_minor = 0, 0
    if credit_minor:
        with connection.cursor() as cursor:
            cursor.execute(
                _EXPECTED,
                {
                    "account": account_id,
                    "now": now,
                    "wanted": credit_minor,
                    "open_order": open_order.id if open_order else None,
                    "resumes": resumes,
                    "code_minor": code.credit_minor if code else 0,
                    "expires_at": code.expiry_of_credit(redeemed_at=now) if code else None,
                    "credit_class": code.campaign.credit_class if code else "",
                    "treatment": code.campaign.vat_treatment if code else None,
                },
            )
            single_minor, free_minor = cursor.fetchone()
    return vat_of_sale(CreditPaid(credit_minor, single_minor, free_minor), card_minor, basis_points=basis_points)


# An annotation of orders: what `vat_of_facts` takes.
VAT_FACTS = Func(
    F("pk"),
    Value(settings.SOVEREIGN_TIME_ZONE),
    function="orders_vat_facts",
    output_field=ArrayField(BigIntegerField(), null=True),
)


def vat_of_order(order_id: UUID) -> IncludedVat | None:
    """Returns the VAT of an order, as `orders_vat_facts` (books/vat_of_credit.sql) finds it. One query.

    A paid order has the VAT of its invoice, one that waits for its payment what its invoice will have. None where no
    rate applies, and for an order that was never paid.
    """
    facts = Order.objects.filter(pk=order_id).values_list(VAT_FACTS, flat=True)
    return vat_of_facts(facts.get())


def vat_of_facts(facts: Sequence[int] | None) -> IncludedVat | None:
    """Returns the VAT that follows from the result of `orders_vat_facts`."""
    if facts is None:
        return None
    basis_points, credit_minor, single_minor, free_minor, card_minor = facts
    return vat_of_sale(CreditPaid(credit_minor, single_minor, free_minor), card_minor, basis_points=basis_points)


def vat_of_month(invoice: Invoice) -> IncludedVat | None:
    """Returns the VAT of a month that the card paid, as its invoice has it; None without a rate. Two queries."""
    payments = CardEntry.objects.filter(kind=CardEntry.Kind.PAYMENT, stripe_object_id=invoice.stripe_invoice_id)
    paid_at = payments.values_list("created_at", flat=True).first()
    if paid_at is None:
        return None
    return vat_of_sale(CreditPaid(), invoice.amount_minor, basis_points=points_at(load_rates(), paid_at))
