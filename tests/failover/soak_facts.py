"""The checks after a soak: nothing is lost or doubled, all is delivered, and nothing grows that should not."""

import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.operations.live.facts import check_history
from tests.operations.live.shoppers import PLENTY

from .service import Service

SETTLE_SECONDS = 300
UNSETTLED = """
SELECT (SELECT count(*) FROM orders_outboxevent WHERE delivered_at IS NULL) AS events,
       (SELECT count(*) FROM orders_webhookdelivery WHERE status = 'pending') AS webhooks,
       (SELECT count(*) FROM orders_order o JOIN billing_customer c ON c.id = o.customer_id
         WHERE c.user_id LIKE 'k%' AND o.status = 'pending') AS payments
"""
CARD_ORDERS = """
SELECT o.id, o.status, (SELECT count(*) FROM orders_outboxevent e WHERE e.type = 'order.placed' AND e.order_id = o.id)
  FROM orders_order o JOIN billing_customer c ON c.id = o.customer_id WHERE c.user_id LIKE 'k%'
"""
# A periodic round that loses its database fails, and the next one does its work.
FAILED = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed' AND NOT args ? 'timestamp'"
REDEEMED = "SELECT count(*) FROM promos_redemption WHERE card_serial IS NOT NULL AND status = 'confirmed'"
TOPPED_UP = f"""
SELECT c.user_id FROM promos_redemption r JOIN billing_customer c ON c.id = r.customer_id
  JOIN promos_promocode p ON p.id = r.promo_code_id
 WHERE c.user_id LIKE 't%' AND p.code = '{PLENTY}' AND r.status = 'confirmed'
"""
# A table with fewer bytes is not measured: its pages are few.
MIN_BYTES = 4 << 20
# Each table's bytes for a live row, with indexes. pgstattuple reads it: counters of a new primary begin at zero.
ROW_SIZES = f"""
SELECT c.relname, round(pg_total_relation_size(c.oid) / greatest(t.tuple_count, 1)), t.tuple_count,
       round((100 * (t.dead_tuple_len + t.free_space) / greatest(t.table_len, 1))::numeric)
  FROM pg_class c CROSS JOIN LATERAL pgstattuple(c.oid) t
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND pg_total_relation_size(c.oid) > {MIN_BYTES}
 ORDER BY pg_total_relation_size(c.oid) DESC
"""


def wait_until_settled(running: Service) -> float:
    """Waits until all events and webhooks are delivered and all payments settled. Returns the seconds."""
    began = time.monotonic()
    while (left := running.cluster.psql(UNSETTLED)) != "0|0|0":
        assert time.monotonic() < began + SETTLE_SECONDS, f"unsettled events, webhooks, payments: {left}"
        take_webhooks(running)
        time.sleep(1)
    take_webhooks(running)
    return time.monotonic() - began


def take_webhooks(running: Service) -> None:
    """Verifies what the subscriber has got since the last call. A signature counts for five minutes."""
    for event in running.subscriber.take_verified(running.secret):
        assert isinstance(event, dict)
        running.received.add(str(event["id"]))


def check_all(running: Service) -> None:
    """Compares every answer with the database, the broker and the subscriber."""
    visitors, psql = running.visitors, running.cluster.psql
    check_history(visitors, psql, running.direct)
    card_orders = {line.split("|")[0]: line.split("|")[1:] for line in psql(CARD_ORDERS).splitlines()}
    # What was paid is complete, and announced once. No other order of these customers was paid.
    paid = {order for order, (status, _) in card_orders.items() if status == "completed"}
    assert paid == set(visitors.paid), (len(paid), len(visitors.paid), card_orders)
    assert {placed for order, (_, placed) in card_orders.items() if order in paid} <= {"1"}
    assert int(psql(REDEEMED)) == len(visitors.redeemed) == len(set(visitors.redeemed))
    assert sorted(psql(TOPPED_UP).split()) == sorted(visitors.topped_up)
    recorded = Counter(psql("SELECT id FROM orders_outboxevent").split())
    stored = Counter(running.broker.message_ids())
    assert stored == recorded, (len(stored), len(recorded), stored.most_common(3))
    placed = set(psql("SELECT id FROM orders_outboxevent WHERE type = 'order.placed'").split())
    assert running.received == placed
    print(f"events: {len(stored)}, each once in the stream; webhooks: of all {len(placed)} orders")
    assert psql(FAILED) == "0"
    print(running.direct.manage("verify_ledger", "--chain").strip())


def row_sizes(running: Service) -> dict[str, tuple[int, int, int]]:
    """Returns of each table that is not small: bytes for a live row, live rows, and percent of dead or free space."""
    rows = (line.split("|") for line in running.cluster.psql(ROW_SIZES).splitlines())
    return {name: (int(float(size)), int(live), int(share)) for name, size, live, share in rows}


def growth(values: Sequence[float]) -> float:
    """Returns how many times greater the last quarter is than the second one. In the first one caches fill."""
    quarter = max(1, len(values) // 4)
    return median(values[-quarter:]) / median(values[quarter : 2 * quarter] or values)
