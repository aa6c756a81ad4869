-- The chain: each entry's hash covers the entry and the hash of its account's entry before. Installed by every migrate.
-- To change, remove, insert or move a past entry unseen, one must write all later hashes of that account again; then
-- they differ from the signed heads (billing/use_cases/proof).

-- Returns the hash of what an entry took from each lot (negative) or gave back; none if it moved no lot.
CREATE OR REPLACE FUNCTION billing_lots_hash(of_entry uuid) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(convert_to(string_agg(lot_id || ' ' || amount_minor, ',' ORDER BY lot_id), 'UTF8'))
    FROM billing_lotmove WHERE entry_id = of_entry
$$;

-- Returns the text of the columns that the first release of the chain had.
CREATE OR REPLACE FUNCTION billing_first_columns_text(previous bytea, e billing_ledgerentry) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT json_build_array(
    encode(previous, 'hex'), e.account_id, e.version, e.id, e.kind, e.amount_minor, e.balance_after_minor, e.reason, e.note,
    e.order_id, e.redemption_id, e.reverses_id, e.actor_id, e.actor_role, e.channel, e.address,
    (extract(epoch FROM e.created_at) * 1000000)::bigint)::text
$$;

-- Returns the text that an entry's hash covers. A column that is added to the table is added here, at the end and only
-- where it is given: so the text of older entries stays. No column may be renamed or removed. Most entries have the first
-- columns only, and PostgreSQL expands these functions in place: so they pay nothing for the others.
CREATE OR REPLACE FUNCTION billing_entry_text(previous bytea, e billing_ledgerentry) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN e.credit_class = '' AND e.expires_at IS NULL AND e.lot_id IS NULL AND e.lots_hash IS NULL
              THEN billing_first_columns_text(previous, e)
    ELSE left(billing_first_columns_text(previous, e), -1) || ', ' || substr(left(
           json_build_array(e.credit_class, (extract(epoch FROM e.expires_at) * 1000000)::bigint, e.lot_id)::text, -1), 2)
         || CASE WHEN e.lots_hash IS NULL THEN ']' ELSE format(', "%s"]', encode(e.lots_hash, 'hex')) END
    END
$$;

CREATE OR REPLACE FUNCTION billing_entry_hash(previous bytea, e billing_ledgerentry) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(convert_to(billing_entry_text(previous, e), 'UTF8'))
$$;

-- Gives a hash to the entries of a release that had no chain. New entries get theirs from billing_post_entry.
CREATE OR REPLACE FUNCTION billing_chain_older_entries() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  e billing_ledgerentry;
  previous billing_ledgerentry;
BEGIN
  IF NOT EXISTS (SELECT FROM billing_ledgerentry WHERE hash IS NULL) THEN RETURN; END IF;
  LOCK TABLE billing_ledgerentry IN SHARE ROW EXCLUSIVE MODE;
  ALTER TABLE billing_ledgerentry DISABLE TRIGGER billing_ledgerentry_append_only;
  FOR e IN SELECT * FROM billing_ledgerentry ORDER BY account_id, version LOOP
    IF e.hash IS NULL THEN
      e.hash := billing_entry_hash(CASE WHEN previous.account_id = e.account_id THEN previous.hash END, e);
      UPDATE billing_ledgerentry SET hash = e.hash WHERE id = e.id;
    END IF;
    previous := e;
  END LOOP;
  SET CONSTRAINTS ALL IMMEDIATE;  -- a table with deferred checks cannot be altered
  ALTER TABLE billing_ledgerentry ENABLE TRIGGER billing_ledgerentry_append_only;
END $$;
SELECT billing_chain_older_entries();

-- The root of a head: the hash of one line for each account that it covers, in ascending order.
CREATE OR REPLACE FUNCTION billing_head_root(head bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(coalesce(string_agg(format(E'%s %s %s\n', account_id, version, encode(hash, 'hex')), ''
                                               ORDER BY account_id), ''), 'UTF8'))
    FROM billing_sealedaccount WHERE head_id = head
$$;

CREATE OR REPLACE TRIGGER billing_ledgerhead_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgerhead
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('signed heads are append-only');
CREATE OR REPLACE TRIGGER billing_sealedaccount_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_sealedaccount
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('what a head covers is append-only');
CREATE OR REPLACE TRIGGER billing_ledgercheck_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgercheck
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('the result of a check is append-only');
