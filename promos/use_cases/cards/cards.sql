-- Cards: found by their codes, and written while a batch is generated.

DO $$ BEGIN
  CREATE TYPE promos_found_code AS (
    text text,     -- as a customer entered it
    promo uuid,    -- the code, or the terms of the card
    code text,     -- of that row
    card bigint);  -- the serial number of the card
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Finds cards by their texts. A text that is a voucher's code too is left to the voucher.
CREATE OR REPLACE FUNCTION promos_find_cards(texts text[]) RETURNS promos_found_code[]
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN ARRAY(
    SELECT ROW(t, p.id, p.code, c.serial)::promos_found_code
      FROM unnest(texts) AS t
      JOIN promos_card c ON c.code = replace(t, '-', '')
      JOIN promos_batch b ON b.id = c.batch_id
      JOIN promos_promocode p ON p.id = b.promo_code_id
     WHERE NOT EXISTS (SELECT FROM promos_promocode o WHERE o.code = t AND NOT o.for_cards));
END $$;

-- Finds codes and cards by their texts. The terms of cards cannot be found by their own code.
CREATE OR REPLACE FUNCTION promos_find_codes(texts text[]) RETURNS promos_found_code[]
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN ARRAY(SELECT ROW(p.code, p.id, p.code, NULL)::promos_found_code FROM promos_promocode p
                WHERE p.code = ANY (texts) AND NOT p.for_cards) || promos_find_cards(texts);
END $$;

-- Writes the next cards of an approved batch, with these codes, and returns how many of them the batch has now.
-- It leaves out a code that a card or a voucher has already, and one whose printed form, with dashes, is a voucher's
-- code. When the batch is complete, codes that are left over are not used. The caller runs it in a separate transaction.
--
-- Locks: the texts of all codes (promos_lock_texts), the batch.
CREATE OR REPLACE FUNCTION promos_write_cards(batch bigint, codes text[], printed text[]) RETURNS integer
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off LANGUAGE plpgsql AS $$
DECLARE
  b promos_batch;
  written integer;
BEGIN
  PERFORM promos_lock_texts();
  SELECT * INTO b FROM promos_batch WHERE id = batch FOR NO KEY UPDATE;
  IF b.status <> 'approved' THEN RETURN b.generated; END IF;
  INSERT INTO promos_card (serial, batch_id, code)
  SELECT b.first_serial + b.generated + free.number - 1, b.id, free.code
    FROM (SELECT u.code, row_number() OVER () AS number
            FROM (SELECT DISTINCT ON (n.code) n.code, n.text FROM unnest(codes, printed) AS n(code, text)) AS u
           WHERE NOT EXISTS (SELECT FROM promos_card c WHERE c.code = u.code)
             AND NOT EXISTS (SELECT FROM promos_promocode p WHERE p.code IN (u.code, u.text))
           LIMIT b.size - b.generated) AS free;
  GET DIAGNOSTICS written = ROW_COUNT;
  UPDATE promos_batch SET generated = generated + written, updated_at = now(),
         status = CASE WHEN generated + written = size THEN 'generated' ELSE status END
   WHERE id = batch;
  RETURN b.generated + written;
END $$;

-- Keeps the texts of codes and cards apart: a new voucher and new cards are written one after the other.
CREATE OR REPLACE FUNCTION promos_lock_texts() RETURNS void LANGUAGE sql AS
$$ SELECT pg_advisory_xact_lock(hashtextextended('promos: texts of codes', 0)) $$;
