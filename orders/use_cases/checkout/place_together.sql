-- Checkouts that are tried at once, without a look beforehand: of one customer, or of several who ask at the same moment
-- with the same code, or all without one. T1 (place_order.sql) of each, then the code's places for all of them, last; all
-- in one transaction. Installed by every migrate. called by try_batched_checkout.py.
--
-- Each was priced by the catalog of a version that the caller knows; where it is another by now, nothing is done.
--
-- It places the orders of those against whom nothing can be seen to stand, and who need not be waited for, and says
-- nothing of the others: each of them looks at the state and asks again for himself (orders_place_order). So one
-- customer's business elsewhere does not hold up the rest. `number` is an order's in `asked`, from 1. What is seen only
-- while it is written refuses all of them, as T1 does, by the same constraint names.
CREATE OR REPLACE FUNCTION orders_place_together(catalog uuid, promo_text text, asked jsonb)
RETURNS TABLE (number bigint, placed_order uuid, balance bigint, replayed boolean)
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off LANGUAGE plpgsql AS $$
DECLARE
  promo uuid;
  credit bigint := 0;
  customer bigint;
  subdomain text;
  one record;
  done record;
  claimed bigint := 0;
  counters bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM orders_catalogversion v WHERE v.id = 1 AND v.version = catalog) THEN RETURN; END IF;
  IF promo_text <> '' THEN
    SELECT p.id, p.credit_minor INTO promo, credit FROM promos_promocode p
     WHERE p.code = promo_text AND (p.max_redemptions = 0 OR jsonb_array_length(asked) <= (
             SELECT sum(n.quota - n.used) FROM promos_promocounter n WHERE n.promo_code_id = p.id));
    IF NOT FOUND THEN RETURN; END IF;
  END IF;
  FOR one IN
    SELECT * FROM ROWS FROM (jsonb_to_recordset(asked) AS (
        organization uuid, plan uuid, apps jsonb, addons jsonb, addon_ids jsonb, lines jsonb, total bigint, currency text,
        key text, hash text, event jsonb, actor text, role text, channel text, address inet, now timestamptz))
      WITH ORDINALITY AS each(organization, plan, apps, addons, addon_ids, lines, total, currency, key, hash, event, actor,
                              role, channel, address, now, number)
  LOOP
    SELECT c.id, o.slug INTO customer, subdomain
      FROM billing_customer c
      JOIN billing_account a ON a.customer_id = c.id AND a.balance_minor - a.held_minor + credit >= one.total
      JOIN billing_organization o ON o.id = one.organization AND o.customer_id = c.id AND o.status <> 'deleted'
     WHERE c.user_id = one.actor
       AND NOT EXISTS (SELECT FROM billing_subscription s
                        WHERE s.organization_id = o.id AND NOT (s.status IN ('canceled', 'incomplete_expired')))
       AND NOT EXISTS (SELECT FROM promos_redemption r WHERE r.promo_code_id = promo AND r.customer_id = c.id
                          AND r.status IN ('reserved', 'confirmed'))
       FOR NO KEY UPDATE OF a, o SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    SELECT * INTO done FROM orders_write_order(
      customer, one.organization, NULL, one.plan, one.apps, one.addons, one.addon_ids, one.lines,
      one.total, one.currency, promo, nullif(promo_text, ''), one.key, one.hash,
      one.event || jsonb_build_object('subdomain', subdomain),
      ROW(one.actor, one.role, one.channel, one.address)::billing_actor, one.now);
    IF promo IS NOT NULL AND NOT done.replayed THEN
      claimed := claimed + 1;
      counters := done.counters;
    END IF;
    number := one.number;
    placed_order := done.placed_order;
    balance := done.balance;
    replayed := done.replayed;
    RETURN NEXT;
  END LOOP;
  IF claimed > 0 AND counters IS DISTINCT FROM 0 AND NOT promos_claim_together(promo, claimed, counters) THEN
    RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'places were taken meanwhile';
  END IF;
END $$;
