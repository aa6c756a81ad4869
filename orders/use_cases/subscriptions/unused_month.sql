-- Returns what the unused part of a subscription's paid month is worth at an instant: to the second, rounded down. It is
-- 0 where the subscription has ended, or its month is over, not paid, or refunded. A refund on its way counts as made.
--
-- A change of plan credits it, once a replaced subscription: place_orders.sql where credit covers the order,
-- credit_unused_month.py where a card pays. A quote shows it.
CREATE OR REPLACE FUNCTION orders_unused_minor(subscription uuid, as_of timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(max(div(
           greatest(i.amount_minor - coalesce(p.refunded_minor, 0)
                      - (SELECT coalesce(sum(r.amount_minor), 0) FROM orders_refund r
                          WHERE r.payment_id = p.order_id AND r.status = 'requested'), 0)
             * floor(extract(epoch FROM s.current_period_end - greatest(as_of, s.current_period_start))),
           extract(epoch FROM s.current_period_end - s.current_period_start))), 0)::bigint
    FROM billing_subscription s
    JOIN billing_invoice i ON i.subscription_id = s.id AND i.status = 'paid' AND i.period_start = s.current_period_start
    LEFT JOIN orders_payment p ON p.order_id = i.order_id
   WHERE s.id = subscription AND NOT (s.status IN ('canceled', 'incomplete_expired')) AND s.current_period_end > as_of
$$;
