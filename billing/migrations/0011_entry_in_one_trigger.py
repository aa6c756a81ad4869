"""A ledger entry's rules are looked at by the trigger that moves its account: one call a row instead of two."""

from pathlib import Path

from django.db import migrations

_LEDGER = Path(__file__).parents[1] / "models" / "ledger.sql"

# What stood there before; a database that is made today never had it.
DROP = """
DROP TRIGGER IF EXISTS billing_ledgerentry_keeps_rules ON billing_ledgerentry;
DROP FUNCTION IF EXISTS billing_ledgerentry_rules();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_hot_rows")]

    operations = [migrations.RunSQL(DROP + _LEDGER.read_text(), migrations.RunSQL.noop)]
