"""Lets the last release's function write redemptions after their type got further attributes.

A checkout that waits while the functions are replaced goes on with the old ones, and these name the attributes in
their order. With names instead of an order they fit the type as it was and as it is.
"""

from django.db import migrations

NAME_ATTRIBUTES = """
DO $$
DECLARE
  old record;
BEGIN
  FOR old IN SELECT pg_get_functiondef(oid) AS text FROM pg_proc
              WHERE pronamespace = 'public'::regnamespace AND proname = 'promos_write_redemptions'
                AND pg_get_function_identity_arguments(oid) LIKE '%promos_new_redemption[]%' LOOP
    EXECUTE regexp_replace(old.text,
      'ROW\\(m\\.id, m\\.promo, m\\.customer, m\\.for_order, m\\.credit_minor, m\\.capped,\\s+m\\.hot\\)::promos_written_redemption',
      'jsonb_populate_record(NULL::promos_written_redemption, jsonb_build_object(''id'', m.id, ''promo'', m.promo,'
      ' ''customer'', m.customer, ''for_order'', m.for_order, ''credit'', m.credit_minor, ''capped'', m.capped,'
      ' ''hot'', m.hot))');
  END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("promos", "0022_credit_figures")]

    operations = [migrations.RunSQL(NAME_ATTRIBUTES, migrations.RunSQL.noop)]
