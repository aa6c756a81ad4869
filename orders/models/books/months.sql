-- A closed month is never edited, and months are closed one after the other.
CREATE OR REPLACE FUNCTION orders_check_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM orders_closedmonth HAVING max(month) + interval '1 month' <> NEW.month) THEN
    RAISE check_violation USING CONSTRAINT = 'orders_closedmonth_follows_the_last',
      MESSAGE = 'months are closed one after the other';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_closedmonth_follows BEFORE INSERT ON orders_closedmonth
  FOR EACH ROW EXECUTE FUNCTION orders_check_closed_month();
CREATE OR REPLACE TRIGGER orders_closedmonth_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders_closedmonth
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a closed month stays as it was signed');
CREATE OR REPLACE TRIGGER orders_vatrate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders_vatrate
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse('a rate of VAT stays: add one with a later day');
