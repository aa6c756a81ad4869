-- Card money: each payment, refund and dispute is an entry that nobody changes. Installed by every migrate.
--
-- The entries of payments and refunds are written by triggers on the rows that say so, in the same transaction. So no code
-- path, and no process of the last release, can settle money without its entry. A checkout that credit covers writes no
-- card payment, so it calls none of these functions.

-- Sets the running total, and refuses what is more than the object that it is about.
CREATE OR REPLACE FUNCTION orders_total_card_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  most bigint;
BEGIN
  SELECT NEW.amount_minor + coalesce(sum(amount_minor), 0) INTO NEW.total_minor FROM orders_cardentry
   WHERE stripe_object_id = NEW.stripe_object_id AND kind = NEW.kind;
  IF NEW.kind IN ('refund', 'dispute_won', 'owed', 'written_off') THEN
    SELECT abs(amount_minor) INTO most FROM orders_cardentry
     WHERE stripe_object_id = NEW.stripe_object_id AND currency = NEW.currency AND order_id = NEW.order_id
       AND kind = CASE NEW.kind WHEN 'refund' THEN 'payment' WHEN 'written_off' THEN 'owed' ELSE 'dispute' END;
    IF abs(NEW.total_minor) > coalesce(most, 0) THEN
      RAISE check_violation USING CONSTRAINT = 'orders_cardentry_within_its_object',
        MESSAGE = 'a refund is at most its payment, a won or owed amount its dispute, what is written off is owed';
    END IF;
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_cardentry_total BEFORE INSERT ON orders_cardentry
  FOR EACH ROW EXECUTE FUNCTION orders_total_card_entry();
CREATE OR REPLACE TRIGGER orders_cardentry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders_cardentry
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('card entries are append-only');

CREATE OR REPLACE FUNCTION orders_post_payment_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status = 'paid' AND OLD.status IS DISTINCT FROM 'paid' THEN
    INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
    VALUES ('payment', NEW.amount_minor, NEW.currency, NEW.order_id, coalesce(NEW.session_id, NEW.order_id::text));
  END IF;
  IF NEW.refunded_minor <> coalesce(OLD.refunded_minor, 0) THEN
    INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
    VALUES ('refund', coalesce(OLD.refunded_minor, 0) - NEW.refunded_minor, NEW.currency, NEW.order_id,
            coalesce(NEW.session_id, NEW.order_id::text));
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER orders_payment_posts_paid AFTER INSERT ON orders_payment FOR EACH ROW
  WHEN (NEW.status = 'paid') EXECUTE FUNCTION orders_post_payment_entries();
CREATE OR REPLACE TRIGGER orders_payment_posts_change AFTER UPDATE ON orders_payment FOR EACH ROW
  WHEN (NEW.status = 'paid' AND (OLD.status <> 'paid' OR NEW.refunded_minor <> OLD.refunded_minor))
  EXECUTE FUNCTION orders_post_payment_entries();

-- A month that Stripe charged by itself: no order of ours paid it.
CREATE OR REPLACE FUNCTION orders_post_month_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
  SELECT 'payment', NEW.amount_minor, NEW.currency, s.order_id, NEW.stripe_invoice_id
    FROM billing_subscription s WHERE s.id = NEW.subscription_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER billing_invoice_posts_new_month AFTER INSERT ON billing_invoice FOR EACH ROW
  WHEN (NEW.stripe_invoice_id <> '' AND NEW.status = 'paid' AND NEW.order_id IS NULL AND NEW.amount_minor > 0)
  EXECUTE FUNCTION orders_post_month_entry();
CREATE OR REPLACE TRIGGER billing_invoice_posts_paid_month AFTER UPDATE ON billing_invoice FOR EACH ROW
  WHEN (NEW.stripe_invoice_id <> '' AND NEW.status = 'paid' AND NEW.order_id IS NULL AND NEW.amount_minor > 0
        AND (OLD.status <> 'paid' OR OLD.order_id IS NOT NULL OR OLD.stripe_invoice_id = ''))
  EXECUTE FUNCTION orders_post_month_entry();

-- Processes of the last release settle money between the migration that copies it and this file. Each CREATE TRIGGER has
-- waited for them.
INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
SELECT 'payment', p.amount_minor, p.currency, p.order_id, coalesce(p.session_id, p.order_id::text) FROM orders_payment p
 WHERE p.status = 'paid'
   AND NOT EXISTS (SELECT FROM orders_cardentry e WHERE e.order_id = p.order_id AND e.kind = 'payment'
                      AND e.stripe_object_id = coalesce(p.session_id, p.order_id::text));
INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
SELECT 'refund', -left_minor, currency, order_id, object_id
  FROM (SELECT p.currency, p.order_id, coalesce(p.session_id, p.order_id::text) AS object_id,
               p.refunded_minor + (SELECT coalesce(sum(e.amount_minor), 0) FROM orders_cardentry e
                                    WHERE e.order_id = p.order_id AND e.kind = 'refund'
                                      AND e.stripe_object_id = coalesce(p.session_id, p.order_id::text)) AS left_minor
          FROM orders_payment p WHERE p.status = 'paid' AND p.refunded_minor > 0) AS refunded
 WHERE left_minor > 0;
INSERT INTO orders_cardentry (kind, amount_minor, currency, order_id, stripe_object_id)
SELECT 'payment', i.amount_minor, i.currency, s.order_id, i.stripe_invoice_id
  FROM billing_invoice i JOIN billing_subscription s ON s.id = i.subscription_id
 WHERE i.stripe_invoice_id <> '' AND i.status = 'paid' AND i.order_id IS NULL AND i.amount_minor > 0
   AND NOT EXISTS (SELECT FROM orders_cardentry e WHERE e.stripe_object_id = i.stripe_invoice_id AND e.kind = 'payment');
