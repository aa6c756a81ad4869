-- A clock of the past for one transaction: a setting gives the time, and the clock's functions and the defaults of
-- columns read it. No trigger and no constraint is disabled. The transaction restores the defaults before it commits, so
-- nobody else ever sees this clock.

CREATE SCHEMA qasima_past;

CREATE FUNCTION qasima_past.now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT current_setting('qasima_past.now')::timestamptz $$;
CREATE FUNCTION qasima_past.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT current_setting('qasima_past.now')::timestamptz $$;
CREATE FUNCTION qasima_past.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT current_setting('qasima_past.now')::timestamptz $$;

-- Functions that are looked up by name find those of this schema first. A default holds the function itself.
SET LOCAL search_path = qasima_past, public, pg_catalog;

CREATE TABLE qasima_past.own_default AS
SELECT c.oid::regclass AS relation, a.attname AS name, pg_get_expr(d.adbin, d.adrelid) AS expression
  FROM pg_attrdef d
  JOIN pg_class c ON c.oid = d.adrelid AND c.relnamespace = 'public'::regnamespace
  JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
 WHERE pg_get_expr(d.adbin, d.adrelid) ~ '^(pg_catalog\.)?(now|statement_timestamp|clock_timestamp)\(\)$';

CREATE FUNCTION qasima_past.begin() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  own record;
BEGIN
  FOR own IN SELECT * FROM qasima_past.own_default LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT qasima_past.now()', own.relation, own.name);
  END LOOP;
END $$;

CREATE FUNCTION qasima_past.finish() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  own record;
BEGIN
  SET CONSTRAINTS ALL IMMEDIATE;
  FOR own IN SELECT * FROM qasima_past.own_default LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', own.relation, own.name, own.expression);
  END LOOP;
  DROP TABLE qasima_past.own_default;
  -- Each is refused while a default still names it.
  DROP FUNCTION qasima_past.now(), qasima_past.statement_timestamp(), qasima_past.clock_timestamp();
END $$;
