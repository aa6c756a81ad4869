-- The owner of an organization is its customer, and has no second role inside it. Installed by every migrate.
CREATE OR REPLACE FUNCTION billing_check_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM billing_organization o WHERE o.id = NEW.organization_id AND o.customer_id = NEW.customer_id) THEN
    RAISE check_violation USING CONSTRAINT = 'billing_organizationmember_not_owner', TABLE = TG_TABLE_NAME,
      MESSAGE = 'the owner of an organization cannot be its member too';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER billing_organizationmember_not_owner BEFORE INSERT OR UPDATE ON billing_organizationmember
  FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION billing_check_member();
