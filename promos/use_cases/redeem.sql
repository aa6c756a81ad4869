-- The redemption: the one place that writes it and grants its credit.
--
--   promos_redeem             codes redeemed into the balance, a batch of any size (redeem_code.py, redeem_many.py)
--   orders_place_orders       codes redeemed by orders that credit covers (orders/use_cases/checkout/place_orders.sql)
--   reserve (redeem_code.py)  a code whose credit is granted later, when a payment session is open
--
-- All three call promos_write_redemptions, and promos_claim_slots_of_code (slots.sql) as their last statement.

-- Returns whether the code of this campaign may be redeemed at an instant; of a card, also whether its range `r` allows
-- it (promos_range_of). In Python, problem_of (check_eligibility.py) names the rule that it breaks; a test holds the two
-- equal. Under the shared lock of the code, the answer stays true until the caller's transaction ends: acts on a batch
-- and on its ranges take that lock exclusively.
CREATE OR REPLACE FUNCTION promos_is_card_redeemable(
  p promos_promocode, g promos_campaign, r promos_cardrange, as_of timestamptz)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT p.active AND p.retired_at IS NULL
     AND (r.id IS NULL OR r.status = 'active' AND NOT r.locked)
     AND (p.starts_at IS NULL OR p.starts_at <= as_of)
     AND (coalesce(r.expires_at, p.expires_at) IS NULL OR as_of < coalesce(r.expires_at, p.expires_at))
     AND g.status = 'active'
     AND (g.starts_at IS NULL OR g.starts_at <= as_of) AND (g.ends_at IS NULL OR as_of < g.ends_at)
     AND (p.credit_expires_at IS NULL OR as_of < p.credit_expires_at)
     AND (g.credit_expires_at IS NULL OR as_of < g.credit_expires_at
          OR p.credit_days IS NOT NULL OR p.credit_expires_at IS NOT NULL)
$$;

-- Returns when the credit of a redemption at this instant expires: by the code, else by its campaign; NULL for never. In
-- Python, PromoCode.expiry_of_credit says the same; a test holds the two equal.
CREATE OR REPLACE FUNCTION promos_credit_expiry(p promos_promocode, g promos_campaign, redeemed_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(least(p.credit_expires_at, redeemed_at + p.credit_days * interval '24 hours'),
                  least(g.credit_expires_at, redeemed_at + g.credit_days * interval '24 hours'))
$$;

-- The same for a code that is no card's.
CREATE OR REPLACE FUNCTION promos_is_redeemable(p promos_promocode, g promos_campaign, as_of timestamptz)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT promos_is_card_redeemable(p, g, NULL, as_of)
$$;

-- promos_new_redemption: what processes of the last release pass to their promos_write_redemptions.
DO $$ BEGIN
  CREATE TYPE promos_new_redemption AS (
    id uuid, entry uuid, promo uuid, customer bigint, for_order uuid, note text, actor billing_actor, at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$ BEGIN
  CREATE TYPE promos_redemption_to_write AS (
    id uuid, entry uuid, promo uuid, card bigint, customer bigint, for_order uuid, note text, actor billing_actor,
    at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$ BEGIN
  CREATE TYPE promos_written_redemption AS (
    id uuid, promo uuid, customer bigint, for_order uuid, credit bigint, capped boolean, hot boolean);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
-- `campaign` is the campaign whose budget the redemption uses; `rush` says whether several counters hold that budget.
DO $$ BEGIN
  ALTER TYPE promos_written_redemption ADD ATTRIBUTE campaign uuid, ADD ATTRIBUTE rush boolean;
EXCEPTION WHEN duplicate_column THEN NULL;
END $$;

-- Writes these redemptions, at most one a customer, and grants the credit of confirmed ones. Returns those that it
-- wrote: it leaves out a code that may not be redeemed now, a customer who has a live redemption of the code if it is not
-- repeatable, and a card that has one.
--
-- The caller has locked the accounts exclusively and the codes shared, has then checked the restrictions
-- (restrictions/restrictions.sql), and calls promos_claim_slots_of_redemptions last.
CREATE OR REPLACE FUNCTION promos_write_redemptions(wanted promos_redemption_to_write[], as_status text)
RETURNS promos_written_redemption[]
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  written promos_written_redemption[];
BEGIN
  WITH terms AS MATERIALIZED (
    SELECT w.*, p.code, p.credit_minor, promos_credit_expiry(p, g, w.at) AS expires_at, g.credit_class,
           p.max_redemptions > 0 AS capped, p.hot,
           CASE WHEN g.budget_minor > 0 THEN g.id END AS campaign, g.hot AS rush,
           CASE WHEN p.restrictions IS NOT NULL AND w.card IS NULL AND promos_allow_repeats(p.restrictions)
             THEN promos_next_use(w.promo, w.customer) END AS use_number
      FROM unnest(wanted) AS w
      JOIN promos_promocode p ON p.id = w.promo
      LEFT JOIN LATERAL promos_range_of(w.card) AS r ON true
      JOIN promos_campaign g ON g.id = p.campaign_id AND promos_is_card_redeemable(p, g, r, w.at)
  ), redeemed AS (
    INSERT INTO promos_redemption AS r (id, promo_code_id, card_serial, customer_id, order_id, credit_minor,
                                        credit_expires_at, status, reserved_at, confirmed_at, use_number)
    SELECT t.id, t.promo, t.card, t.customer, t.for_order, t.credit_minor, t.expires_at, as_status, t.at,
           CASE WHEN as_status = 'confirmed' THEN t.at END, t.use_number
      FROM terms t ORDER BY t.card  -- two transactions that write the same cards wait for each other in one direction
        ON CONFLICT DO NOTHING
    RETURNING r.id
  ), made AS MATERIALIZED (  -- an expression, so that it is hashed: as a join it is a nested loop over a long list
    SELECT t.* FROM terms t WHERE (t.id IN (SELECT id FROM redeemed)) IS TRUE
  ), granted AS (
    INSERT INTO billing_dated_grants
    SELECT array_agg(ROW(m.entry, m.customer, m.credit_minor, 'promo:' || m.code, m.note, m.for_order, m.id,
                         m.actor, m.credit_class, m.expires_at)::billing_dated_grant)
      FROM made m WHERE as_status = 'confirmed' HAVING count(*) > 0
  )
  SELECT array_agg(ROW(m.id, m.promo, m.customer, m.for_order, m.credit_minor, m.capped,
                       m.hot, m.campaign, m.rush)::promos_written_redemption) INTO written FROM made m;
  RETURN written;
END $$;

-- Claims the slots of these redemptions and then their part of campaigns' budgets, as the last statement of their
-- transaction. Raises promos_promocode_exhausted where a code has fewer free slots than they need, and
-- promos_campaign_budget_exhausted where a campaign has less budget left.
CREATE OR REPLACE FUNCTION promos_claim_slots_of_redemptions(written promos_written_redemption[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  claim record;
  budgeted boolean := false;
BEGIN
  FOR claim IN SELECT w.promo, count(*) AS slots, bool_or(w.hot) AS hot, bool_or(w.capped) AS capped,
                      bool_or(w.campaign IS NOT NULL) AS budgeted
                 FROM unnest(written) AS w GROUP BY w.promo ORDER BY w.promo LOOP
    IF claim.capped AND NOT promos_claim_slots_of_code(claim.promo, claim.slots, claim.hot) THEN
      RAISE check_violation USING CONSTRAINT = 'promos_promocode_exhausted', MESSAGE = 'every slot is taken';
    END IF;
    budgeted := budgeted OR claim.budgeted;
  END LOOP;
  IF NOT budgeted THEN RETURN; END IF;
  FOR claim IN SELECT w.campaign, sum(w.credit)::bigint AS credit, bool_or(w.rush) AS rush FROM unnest(written) AS w
                WHERE w.campaign IS NOT NULL GROUP BY w.campaign ORDER BY w.campaign LOOP
    IF NOT promos_claim_budget(claim.campaign, claim.credit, claim.rush) THEN
      RAISE check_violation USING CONSTRAINT = 'promos_campaign_budget_exhausted', MESSAGE = 'the budget is used up';
    END IF;
  END LOOP;
END $$;

-- Returns these redemptions without those for which their campaign has too little budget left, in their order.
CREATE OR REPLACE FUNCTION promos_within_budgets(wanted promos_redemption_to_write[]) RETURNS promos_redemption_to_write[]
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE sql AS $$
  WITH needs AS MATERIALIZED (
    SELECT w.number, p.campaign_id AS campaign,
           sum(p.credit_minor) OVER (PARTITION BY p.campaign_id ORDER BY w.number) AS of_campaign
      FROM unnest(wanted) WITH ORDINALITY
           AS w(id, entry, promo, card, customer, for_order, note, actor, at, number)
      JOIN promos_promocode p ON p.id = w.promo
  ), budget AS MATERIALIZED (  -- of campaigns that have one
    SELECT n.campaign_id, sum(n.quota - n.used) AS free FROM promos_budgetcounter n
     WHERE n.campaign_id = ANY (ARRAY(SELECT DISTINCT campaign FROM needs)) GROUP BY n.campaign_id
  )
  SELECT array_agg(wanted[needs.number] ORDER BY needs.number)
    FROM needs LEFT JOIN budget ON budget.campaign_id = needs.campaign
   WHERE budget.free IS NULL OR needs.of_campaign <= budget.free
$$;

-- Returns these redemptions into the balance without those that a restriction refuses, in their order. It runs in a
-- statement after the one that locked the accounts, so that it counts the uses that others committed before. It counts none
-- of the others in its list: a list has at most one redemption of a customer.
CREATE OR REPLACE FUNCTION promos_within_restrictions(wanted promos_redemption_to_write[])
RETURNS promos_redemption_to_write[]
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE sql AS $$
  SELECT array_agg(wanted[w.number] ORDER BY w.number)
    FROM unnest(wanted) WITH ORDINALITY
         AS w(id, entry, promo, card, customer, for_order, note, actor, at, number)
    JOIN promos_promocode p ON p.id = w.promo
    JOIN promos_campaign g ON g.id = p.campaign_id
    JOIN billing_customer c ON c.id = w.customer
   WHERE p.restrictions IS NULL AND g.restrictions IS NULL
      OR promos_find_broken_restriction(p.id, c.id, c.user_id, c.email, NULL, w.at) IS NULL
$$;

-- A request to redeem a code into the balance. With a key, its answer is stored too.
DO $$ BEGIN
  CREATE TYPE promos_redemption_request AS (
    redemption uuid, entry uuid,  -- the new ids of the redemption and of its grant
    code text, "user" text, email text, note text, actor text, role text, channel text, address inet, now timestamptz,
    key text, hash text, key_expires_at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Redeems codes into the balance: for a batch of requests that arrived together, for one, or for a list of users.
-- Returns the redemptions that it wrote. For the other requests it does nothing, and their callers find out why.
--
-- wait: whether to wait for an account that another transaction has locked. A batch of several customers' requests does
-- not wait: a lock on one customer's account must not delay the others.
--
-- Locks: accounts, campaigns and codes (shared), counters last. Without `wait`, accounts are locked after the codes; that is safe
-- because such a lock is never waited for.
--
-- Raises, for all requests: promos_promocode_exhausted or promos_campaign_budget_exhausted where others took the slots or
-- the budget between the count and the claim;
-- billing_idempotencykey_once where a request with the same key was answered in between.
CREATE OR REPLACE FUNCTION promos_redeem(requests promos_redemption_request[], wait boolean)
RETURNS SETOF promos_written_redemption
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  texts text[];
  codes uuid[];
  cards promos_found_code[];
  wanted promos_redemption_to_write[];
  in_campaigns boolean;
  restricted boolean;
  expires boolean;  -- whether credit of these customers has expired that no entry tells of yet
  written promos_written_redemption[];
BEGIN
  IF wait THEN
    PERFORM billing_lock_accounts(ARRAY(SELECT r."user" FROM unnest(requests) AS r), true);
  ELSE
    PERFORM set_config('lock_timeout', '250ms', true);
  END IF;
  texts := ARRAY(SELECT DISTINCT r.code FROM unnest(requests) AS r);
  codes := promos_lock_codes(texts, wait);
  IF cardinality(codes) < cardinality(texts) THEN
    cards := promos_find_cards(texts);
    codes := codes || promos_lock_codes(ARRAY(SELECT DISTINCT f.code FROM unnest(cards) AS f), wait);
  END IF;
  WITH eligible AS MATERIALIZED (
    SELECT r.*, p.id AS promo, f.card, p.max_redemptions, p.campaign_id AS campaign, a.customer_id AS customer,
           p.restrictions IS NOT NULL AS restricted, a.next_expiry
      FROM unnest(requests) WITH ORDINALITY
           AS r(redemption, entry, code, "user", email, note, actor, role, channel, address, now, key, hash,
                key_expires_at, number)
      LEFT JOIN unnest(cards) AS f ON f.text = r.code
      JOIN promos_promocode p ON p.code = coalesce(f.code, r.code) AND p.for_cards = (f.card IS NOT NULL)
            AND p.id = ANY (codes)
      JOIN billing_customer c ON c.user_id = r."user" AND r.email IN ('', c.email)
      JOIN billing_account a ON a.customer_id = c.id AND NOT a.closed
      -- LIMIT 1 reads one row by index. A join would read all redemptions of the code, and all keys.
      LEFT JOIN LATERAL (SELECT o.id FROM promos_redemption o
                          WHERE f.card IS NULL AND o.card_serial IS NULL AND o.use_number IS NULL
                            AND o.promo_code_id = p.id AND o.customer_id = c.id
                            AND o.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
      LEFT JOIN LATERAL (SELECT k.id FROM billing_idempotencykey k
                          WHERE k.customer_id = c.id AND k.key = r.key AND k.expires_at > r.now
                          LIMIT 1) AS answered ON true
     WHERE (live.id IS NULL OR promos_allow_repeats(p.restrictions)) AND answered.id IS NULL
       FOR NO KEY UPDATE OF a SKIP LOCKED
  ), ranked AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.promo ORDER BY e.number) AS of_code,
           row_number() OVER (PARTITION BY e.customer ORDER BY e.number) AS of_customer
      FROM eligible e
  ), room AS MATERIALIZED (
    SELECT n.promo_code_id, sum(n.quota - n.used) AS free FROM promos_promocounter n
     WHERE n.promo_code_id = ANY (ARRAY(SELECT DISTINCT e.promo FROM eligible e WHERE e.max_redemptions > 0))
     GROUP BY n.promo_code_id
  )
  SELECT array_agg(ROW(r.redemption, r.entry, r.promo, r.card, r.customer, NULL, r.note,
                       ROW(r.actor, r.role, r.channel, r.address)::billing_actor, r.now)::promos_redemption_to_write),
         bool_or(r.campaign <> promos_default_campaign()), bool_or(r.restricted),
         bool_or(r.next_expiry <= statement_timestamp())
    INTO wanted, in_campaigns, restricted, expires
    FROM ranked r LEFT JOIN room ON room.promo_code_id = r.promo
   WHERE r.of_customer = 1 AND (r.max_redemptions = 0 OR r.of_code <= room.free);
  IF restricted OR in_campaigns THEN
    wanted := promos_within_restrictions(wanted);
  END IF;
  IF in_campaigns THEN
    wanted := promos_within_budgets(wanted);
  END IF;
  IF expires THEN
    PERFORM billing_expire_credit(ARRAY(SELECT w.customer FROM unnest(wanted) AS w));
  END IF;
  written := promos_write_redemptions(wanted, 'confirmed');
  IF EXISTS (SELECT FROM unnest(requests) AS r WHERE r.key IS NOT NULL) THEN
    PERFORM billing_store_answers(array_agg(ROW(w.customer, r.key, r.hash, w.id, a.balance_minor, '', r.now,
                                                r.key_expires_at)::billing_answer))
       FROM unnest(written) AS w
       JOIN unnest(requests) AS r ON r.redemption = w.id
       JOIN billing_account a ON a.customer_id = w.customer
      WHERE r.key IS NOT NULL HAVING count(*) > 0;
  END IF;
  PERFORM promos_claim_slots_of_redemptions(written);
  RETURN QUERY SELECT * FROM unnest(written);
END $$;

-- Redeems as promos_redeem, and returns what the answer of a top-up tells: the balance after it, and whether the customer
-- has a month of a subscription to pay. In Python, unpaid_subscriptions (orders/use_cases/subscriptions/pay_due_months.py)
-- says the same of a month; a test holds the two equal.
CREATE OR REPLACE FUNCTION promos_redeem_and_read(requests promos_redemption_request[], wait boolean)
RETURNS TABLE (redemption uuid, promo uuid, customer bigint, credit bigint, balance bigint, owes boolean)
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
LANGUAGE plpgsql AS $$
DECLARE
  written promos_written_redemption[] := ARRAY(SELECT r FROM promos_redeem(requests, wait) AS r);
BEGIN
  RETURN QUERY  -- a statement of its own, so that it sees what the redemptions wrote
  SELECT w.id, w.promo, w.customer, w.credit, a.balance_minor, EXISTS (
           SELECT FROM billing_subscription s
            WHERE s.customer_id = w.customer
              AND (s.status = 'past_due'
                   OR s.status = 'active' AND s.paid_by = 'credit' AND s.current_period_end <= r.now))
    FROM unnest(written) AS w
    JOIN unnest(requests) AS r ON r.redemption = w.id
    JOIN billing_account a ON a.customer_id = w.customer;
END $$;
