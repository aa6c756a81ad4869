"""Check what holds at every moment, also between a crash and the sweep that finishes what it left.

A violation begins with the invariant that it breaks; consistency_at_rest.py explains them. What holds only at rest,
such as that no redemption is reserved any more, is checked there.
"""

from collections import Counter
from itertools import chain

from django.db import connection

from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Order, OrderLine, Payment
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.payments.stripe_server import Object

Violations = list[str]

# A customer's balance must follow from adjustments, granted vouchers and the orders in effect.
_CREDIT = """
SELECT format('ledger: %s has %s, of it %s held; given, granted and used leave %s, holds are %s',
              user_id, balance_minor, held_minor, expected, held)
  FROM (SELECT c.user_id, a.balance_minor, a.held_minor,
               (SELECT coalesce(sum(amount_minor), 0) FROM billing_ledgerentry
                 WHERE account_id = a.customer_id AND (kind = 'adjustment' OR reason LIKE 'proration:%'))
               + (SELECT coalesce(sum(credit_minor), 0) FROM promos_redemption
                   WHERE customer_id = a.customer_id AND status = 'confirmed')
               - (SELECT coalesce(sum(credit_applied_minor), 0) FROM orders_order
                   WHERE customer_id = a.customer_id AND status = 'completed') AS expected,
               (SELECT coalesce(sum(amount_minor), 0) FROM billing_hold
                 WHERE account_id = a.customer_id AND status = 'active') AS held
          FROM billing_account a JOIN billing_customer c ON c.id = a.customer_id) account
 WHERE balance_minor <> expected OR held_minor <> held OR held_minor < 0 OR balance_minor < held_minor
"""
_TWICE_REDEEMED = """
SELECT format('once per customer: %s redemptions of code %s by customer %s', count(*), promo_code_id, customer_id)
  FROM promos_redemption WHERE status IN ('reserved', 'confirmed')
 GROUP BY promo_code_id, customer_id HAVING count(*) > 1
"""
_HOLDS = """
SELECT format('all or nothing: %s is held for a %s order that uses %s',
              h.amount_minor, o.status, o.credit_applied_minor)
  FROM orders_order o
  FULL JOIN (SELECT * FROM billing_hold WHERE status = 'active') h ON h.order_id = o.id
  LEFT JOIN orders_payment p ON p.order_id = o.id
 WHERE CASE
         WHEN o.status IS DISTINCT FROM 'pending' THEN h.id IS NOT NULL
         -- The credit of a code that is only reserved is not held yet.
         WHEN p.status = 'requested' THEN coalesce(h.amount_minor, 0) > o.credit_applied_minor - o.proration_minor
         ELSE coalesce(h.amount_minor, 0) <> o.credit_applied_minor - o.proration_minor
       END
"""
_SPENDS = """
SELECT format('once: a %s order of %s credit has spent %s in %s entries', status, credit_applied_minor, spent, spends)
  FROM (SELECT o.status, o.credit_applied_minor, -coalesce(sum(e.amount_minor), 0) AS spent,
               count(*) FILTER (WHERE e.kind = 'spend') AS spends
          FROM orders_order o
          LEFT JOIN billing_ledgerentry e ON e.order_id = o.id AND e.kind <> 'grant' AND e.redemption_id IS NULL
         GROUP BY o.id) spent
 WHERE spends > 1 OR spent <> CASE status WHEN 'completed' THEN credit_applied_minor ELSE 0 END
"""
_EFFECTS = """
SELECT format('announced once: a %s %s was announced %s times and started %s subscriptions',
              status, kind, announced, started)
  FROM (SELECT o.status, o.kind,
               (SELECT count(*) FROM orders_outboxevent
                 WHERE order_id = o.id AND type = 'order.placed') AS announced,
               (SELECT count(*) FROM billing_subscription WHERE order_id = o.id) AS started
          FROM orders_order o) effects
 WHERE announced <> (status IN ('completed', 'refunded') AND kind = 'purchase')::int OR started <> announced
"""
_UNPAID = """
SELECT format('once: a %s order uses %s of %s credit, and its payment is %s',
              o.status, o.credit_applied_minor, o.total_minor, coalesce(p.status, 'none'))
  FROM orders_order o LEFT JOIN orders_payment p ON p.order_id = o.id
 WHERE o.status IN ('completed', 'refunded')
   AND (p.order_id IS NULL AND o.credit_applied_minor <> o.total_minor OR p.status <> 'paid')
"""
_QUERIES = (_CREDIT, _TWICE_REDEEMED, _HOLDS, _SPENDS, _EFFECTS, _UNPAID)


def find_violations(sessions: list[Object]) -> Violations:
    """Return every violation of what must hold at any moment.

    Args: sessions: all of Stripe's sessions, with their line items.
    """
    return [*_checked_by_the_service(), *_checked_by_queries(), *_sessions(sessions)]


def _checked_by_the_service() -> Violations:
    verdict, fault = verify_ledger(), verify_redemptions()
    ledger = [] if verdict.sound else [f"ledger: {verdict.row}: {verdict.wrong}"]
    return [*ledger, *([f"cap: {': '.join(fault)}"] if fault else [])]


def _checked_by_queries() -> Violations:
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"({query})" for query in _QUERIES))
        return [str(fault) for (fault,) in cursor.fetchall()]


def _sessions(sessions: list[Object]) -> Violations:
    """Each session asks exactly for what credit does not cover; an open session belongs to a pending order."""
    payments = {str(each.order_id): each for each in Payment.objects.select_related("order")}
    lines: dict[str, list[int]] = {}
    for order_id, price_minor in OrderLine.objects.order_by("position").values_list("order_id", "price_minor"):
        lines.setdefault(str(order_id), []).append(price_minor)
    session_counts = Counter(each["client_reference_id"] for each in sessions)
    violations = [
        f"once: order {name} has {number} sessions" for name, number in session_counts.items() if number > 1
    ]
    violations += [
        f"once: a session is for an unknown order: {name}" for name in session_counts.keys() - payments.keys()
    ]
    known = [each for each in sessions if each["client_reference_id"] in payments]
    for session in known:
        order_id = session["client_reference_id"]
        violations += _session(session, payments[order_id], lines[order_id])
    return violations


def _session(session: Object, payment: Payment, lines: list[int]) -> Violations:
    order = payment.order
    due_minor = order.total_minor - order.credit_applied_minor
    line_amounts = [each["price"]["unit_amount"] for each in session["line_items"]["data"]]
    expected_minor = [due_minor] if order.kind == Order.Kind.RENEWAL else lines
    violations = []
    if not session["amount_total"] == payment.amount_minor == due_minor:
        violations.append(f"charge: Stripe asks for {session['amount_total']}, {due_minor} is due")
    if line_amounts != expected_minor:
        violations.append(f"charge: the session has the lines {line_amounts}, the order has {expected_minor}")
    if any(amount % 10 for amount in chain(line_amounts, [session["amount_total"]])):
        violations.append(f"charge: {line_amounts} and {session['amount_total']} are not chargeable")
    is_recorded = payment.session_id == session["id"] and payment.session_url
    if is_recorded and session["status"] == "open" and payment.status != Payment.Status.OPEN:
        violations.append(f"once: a session of a {order.status} order can be paid: {session['id']}")
    return violations
