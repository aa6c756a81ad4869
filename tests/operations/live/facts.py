"""Compares what customers were answered with what the database holds."""

from collections.abc import Callable

from .processes import Installation
from .shoppers import SCARCE, SCARCE_SLOTS, Shoppers

Psql = Callable[[str], str]

ORDERS = """
SELECT o.id, (SELECT count(*) FROM orders_outboxevent e WHERE e.type = 'order.placed'
                AND e.order_id = o.id)
  FROM orders_order o JOIN billing_customer c ON c.id = o.customer_id WHERE c.user_id LIKE 's%'
"""


def check_facts(shoppers: Shoppers, psql: Psql, current: Installation) -> None:
    """Checks that every answered order is there once, that nothing else is, and that all sums hold."""
    assert shoppers.unclear == []
    assert shoppers.given_up == []
    check_history(shoppers, psql, current)


def check_history(shoppers: Shoppers, psql: Psql, current: Installation) -> None:
    """Checks the database alone."""
    answered = [each.answer.body["order_id"] for each in shoppers.succeeded()]
    found = dict(line.split("|") for line in psql(ORDERS).splitlines())
    assert len(set(answered)) == len(answered)
    # No order is lost, and none was placed for a request that was refused.
    assert set(found) == set(answered)
    assert set(found.values()) == {"1"}
    customers = psql("SELECT count(DISTINCT customer_id), count(*) FROM orders_order o JOIN billing_customer c"
                     " ON c.id = o.customer_id WHERE c.user_id LIKE 's%'")  # fmt: skip
    assert customers == f"{len(answered)}|{len(answered)}"
    live = int(psql(f"SELECT count(*) FROM promos_redemption r JOIN promos_promocode p ON p.id = r.promo_code_id"
                    f" WHERE p.code = '{SCARCE}' AND r.status IN ('reserved', 'confirmed')"))  # fmt: skip
    refused = {each.answer.body["code"] for each in shoppers.refused()}
    assert refused <= {"promo_exhausted"}
    # A code with a free slot refuses no customer.
    assert live == SCARCE_SLOTS if refused else live <= SCARCE_SLOTS
    assert current.manage("verify_ledger").startswith("sound")
    assert current.manage("verify_redemptions").startswith("sound")
