-- A customer that was merged into another one stays merged, and its account is closed. Installed by every migrate.

CREATE OR REPLACE TRIGGER billing_customer_starts_unmerged BEFORE INSERT ON billing_customer FOR EACH ROW
  WHEN (NEW.merged_into_id IS NOT NULL) EXECUTE FUNCTION billing_refuse('a customer acts before it is merged');

-- A customer is merged into one that is not merged itself. So one step leads from any merged customer to the survivor.
CREATE OR REPLACE FUNCTION billing_check_merge() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF NEW.merged_into_id IS NULL THEN
    RAISE check_violation USING CONSTRAINT = 'billing_customer_stays_merged', TABLE = TG_TABLE_NAME,
      MESSAGE = 'a merged customer stays merged';
  END IF;
  IF NEW.merged_into_id = NEW.id
     OR EXISTS (SELECT FROM billing_customer c WHERE c.id = NEW.merged_into_id AND c.merged_into_id IS NOT NULL)
     OR EXISTS (SELECT FROM billing_customer c WHERE c.merged_into_id = NEW.id) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_customer_survivor_not_merged', TABLE = TG_TABLE_NAME,
      MESSAGE = 'a customer is merged into one that is not merged itself';
  END IF;
  UPDATE billing_account SET closed = true WHERE customer_id = NEW.id AND NOT closed;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_customer_merge_checked BEFORE UPDATE ON billing_customer FOR EACH ROW
  WHEN (OLD.merged_into_id IS DISTINCT FROM NEW.merged_into_id) EXECUTE FUNCTION billing_check_merge();

-- A closed account is empty when a transaction ends: credit that a reversal brings is transferred to the survivor.
CREATE OR REPLACE FUNCTION billing_check_closed() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF EXISTS (SELECT FROM billing_account a
              WHERE a.customer_id = NEW.customer_id AND a.closed AND (a.balance_minor <> 0 OR a.held_minor <> 0)) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_account_closed_is_empty', TABLE = TG_TABLE_NAME,
      MESSAGE = 'the account of a merged customer stays empty';
  END IF;
  RETURN NULL;
END $$;

-- A transfer is two entries of two accounts whose amounts add up to zero. A reversal of one of them is refused.
CREATE OR REPLACE FUNCTION billing_check_transfer() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF (SELECT (count(*), count(DISTINCT e.account_id), sum(e.amount_minor)) <> (2, 2, 0) FROM billing_ledgerentry e
       WHERE e.kind = 'adjustment' AND e.reason LIKE 'transfer:%' AND e.reason = NEW.reason) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_ledgerentry_transfer_balances', TABLE = TG_TABLE_NAME,
      MESSAGE = 'a transfer is one entry in each of two accounts, of opposite amounts';
  END IF;
  RETURN NULL;
END $$;

-- PostgreSQL cannot replace a constraint trigger, so each is created once. Both run at the end of the transaction.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'billing_account_closed_is_empty') THEN
    CREATE CONSTRAINT TRIGGER billing_account_closed_is_empty AFTER UPDATE ON billing_account
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.closed) EXECUTE FUNCTION billing_check_closed();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'billing_ledgerentry_transfer_balances') THEN
    CREATE CONSTRAINT TRIGGER billing_ledgerentry_transfer_balances AFTER INSERT ON billing_ledgerentry
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      WHEN (NEW.kind = 'adjustment' AND NEW.reason LIKE 'transfer:%') EXECUTE FUNCTION billing_check_transfer();
  END IF;
END $$;
