-- Runs once in a freshly migrated template. It keeps a copy of the rows that migrations made, and adds the function
-- that restores every table to them. Copies are plain tables of the schema "pristine", named "<schema>.<table>".

CREATE SCHEMA pristine;

-- Every table that tests may write to.
CREATE VIEW pristine.subject AS
SELECT c.oid,
       format('%I.%I', n.nspname, c.relname) AS name,
       format('pristine.%I', n.nspname || '.' || c.relname) AS copy,
       (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pristine');

DO $$
DECLARE
  subject record;
  is_filled boolean;
BEGIN
  FOR subject IN SELECT * FROM pristine.subject LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', subject.name) INTO is_filled;
    IF is_filled THEN
      EXECUTE format('CREATE TABLE %s AS TABLE %s', subject.copy, subject.name);
    END IF;
  END LOOP;
END $$;

-- Returns whether the table's rows differ from those that migrations made. A table without a page has no row; that
-- takes no statement, which would be planned at each call, because restore() ends all plans of its session.
CREATE FUNCTION pristine.is_changed(subject pristine.subject) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  result boolean;
BEGIN
  IF to_regclass(subject.copy) IS NOT NULL THEN
    EXECUTE format('SELECT (SELECT array_agg(t::text ORDER BY t::text COLLATE "C") FROM %s t) IS DISTINCT FROM'
                   ' (SELECT array_agg(c::text ORDER BY c::text COLLATE "C") FROM %s c)',
                   subject.name, subject.copy) INTO result;
  ELSIF pg_relation_size(subject.oid) = 0 THEN
    result := false;
  ELSE
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', subject.name) INTO result;
  END IF;
  RETURN result;
END $$;

-- Triggers and foreign keys are off in this function. It waits for row locks only briefly, so that a test that leaves
-- a transaction open in a thread fails.
CREATE FUNCTION pristine.restore() RETURNS void LANGUAGE plpgsql
SET session_replication_role = replica SET lock_timeout = '10s' AS $$
DECLARE
  subject pristine.subject;
BEGIN
  FOR subject IN SELECT * FROM pristine.subject LOOP
    CONTINUE WHEN NOT pristine.is_changed(subject);
    EXECUTE format('DELETE FROM %s', subject.name);
    IF to_regclass(subject.copy) IS NOT NULL THEN
      EXECUTE format('INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM %3$s',
                     subject.name, subject.columns, subject.copy);
    END IF;
  END LOOP;
END $$;
