-- Invoices, receipts and credit notes: numbered without a gap in each series, and never changed. Installed by every migrate.

-- The database numbers each document under the lock of its series. A transaction that rolls back takes its number back
-- with it, and the next document of the series waits until then.
CREATE OR REPLACE FUNCTION orders_number_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders_documentseries AS s (name, last_number) VALUES (NEW.series, 1)
  ON CONFLICT (name) DO UPDATE SET last_number = s.last_number + 1
  RETURNING last_number INTO NEW.number;
  IF NEW.series !~ ('^' || CASE NEW.kind WHEN 'invoice' THEN 'INV' WHEN 'receipt' THEN 'RCT' ELSE 'CN' END || '-[0-9]{4}$') THEN
    RAISE check_violation USING CONSTRAINT = 'orders_document_series_fits_kind',
      MESSAGE = 'a series is of one kind of document and one year';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_document_numbered BEFORE INSERT ON orders_document
  FOR EACH ROW EXECUTE FUNCTION orders_number_document();
CREATE OR REPLACE TRIGGER orders_document_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders_document
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a document stays as it was issued');

-- The trigger above is the only writer of a series.
CREATE OR REPLACE FUNCTION orders_check_document_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 OR NEW.last_number <> coalesce(OLD.last_number, 0) + 1
     OR NEW.name <> coalesce(OLD.name, NEW.name) THEN
    RAISE check_violation USING CONSTRAINT = 'orders_documentseries_without_gap',
      MESSAGE = 'a series moves on by one, with a document';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_documentseries_counts BEFORE INSERT OR UPDATE ON orders_documentseries
  FOR EACH ROW EXECUTE FUNCTION orders_check_document_series();
CREATE OR REPLACE TRIGGER orders_documentseries_stays BEFORE DELETE OR TRUNCATE ON orders_documentseries
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a series of documents is never removed');

-- Documents are issued up to a position that only moves on.
CREATE OR REPLACE FUNCTION orders_check_document_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.position < OLD.position THEN
    RAISE check_violation USING CONSTRAINT = 'orders_documentcursor_moves_on',
      MESSAGE = 'the position of the documents only moves on';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_documentcursor_moves BEFORE UPDATE ON orders_documentcursor
  FOR EACH ROW EXECUTE FUNCTION orders_check_document_cursor();
