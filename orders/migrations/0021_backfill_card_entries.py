"""Copies the payments, refunds and disputes of before into the card entries, each at the time that is known of it.

The refunds of a payment become one entry. Disputes and the refunds of later months are known from breaks and from
Stripe's events.
"""

from django.db import migrations

PAYMENTS = """
INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, order_id, stripe_object_id, created_at)
SELECT 'payment', amount_minor, amount_minor, currency, order_id, coalesce(session_id, order_id::text), paid_at
  FROM orders_payment WHERE status = 'paid'
UNION ALL
SELECT 'refund', -p.refunded_minor, -p.refunded_minor, p.currency, p.order_id,
       coalesce(p.session_id, p.order_id::text),
       coalesce((SELECT max(r.closed_at) FROM orders_refund r WHERE r.payment_id = p.order_id AND r.status = 'done'),
                p.paid_at)
  FROM orders_payment p WHERE p.status = 'paid' AND p.refunded_minor > 0
UNION ALL
SELECT 'payment', i.amount_minor, i.amount_minor, i.currency, s.order_id, i.stripe_invoice_id, i.created_at
  FROM billing_invoice i JOIN billing_subscription s ON s.id = i.subscription_id
 WHERE i.stripe_invoice_id <> '' AND i.status = 'paid' AND i.order_id IS NULL AND i.amount_minor > 0
"""
MONTH_REFUNDS = """
INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, order_id, stripe_object_id, created_at)
SELECT 'refund', -refunded.minor, -refunded.minor, paid.currency, paid.order_id, paid.stripe_object_id, refunded.at
  FROM (SELECT details->>'invoice' AS invoice, max((details->>'refunded')::bigint) AS minor, max(opened_at) AS at
          FROM orders_break WHERE kind = 'renewal_refunded' GROUP BY 1) AS refunded
  JOIN orders_cardentry paid ON paid.stripe_object_id = refunded.invoice AND paid.kind = 'payment'
 WHERE refunded.minor BETWEEN 1 AND paid.amount_minor
"""
DISPUTES = """
WITH dispute AS (
  SELECT DISTINCT ON (b.object_id) b.object_id, b.order_id, o.currency, b.opened_at,
         (b.details->>'amount')::bigint AS amount_minor, b.details->>'status' AS status
    FROM orders_break b JOIN orders_order o ON o.id = b.order_id
   WHERE b.kind = 'dispute' AND upper(b.details->>'currency') = o.currency AND (b.details->>'amount')::bigint > 0
   ORDER BY b.object_id, b.opened_at
), closed AS (
  SELECT DISTINCT ON (1) payload->'data'->'object'->>'id' AS object_id,
         payload->'data'->'object'->>'status' AS status, occurred_at
    FROM orders_stripeevent WHERE type = 'charge.dispute.closed' ORDER BY 1, occurred_at DESC
), inquiry AS (
  SELECT payload->'data'->'object'->>'id' AS object_id FROM orders_stripeevent
   WHERE type = 'charge.dispute.created' AND payload->'data'->'object'->>'status' LIKE 'warning_%'
)
INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, order_id, stripe_object_id, created_at)
SELECT 'dispute', -amount_minor, -amount_minor, currency, order_id, object_id, opened_at FROM dispute
 WHERE object_id NOT IN (SELECT object_id FROM inquiry)
UNION ALL
SELECT 'dispute_won', amount_minor, amount_minor, currency, order_id, object_id, closed.occurred_at
  FROM dispute JOIN closed USING (object_id) WHERE closed.status = 'won'
   AND object_id NOT IN (SELECT object_id FROM inquiry)
UNION ALL
SELECT 'owed', amount_minor, amount_minor, currency, order_id, object_id, coalesce(closed.occurred_at, opened_at)
  FROM dispute LEFT JOIN closed USING (object_id) WHERE coalesce(closed.status, dispute.status) = 'lost'
   AND object_id NOT IN (SELECT object_id FROM inquiry)
"""


def backfill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for statement in (PAYMENTS, MONTH_REFUNDS, DISPUTES):
            cursor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("orders", "0020_card_entries")]

    operations = [migrations.RunPython(backfill, migrations.RunPython.noop)]
