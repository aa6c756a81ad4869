from pathlib import Path

from django.db import migrations

_LEDGER = Path(__file__).parents[1] / "models" / "ledger.sql"

REVERSE = """
DROP RULE billing_ledgerentry_no_conflict_passed_over ON billing_ledgerentry;
DROP RULE billing_hold_no_conflict_passed_over ON billing_hold;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_entry_without_foreign_key")]

    operations = [migrations.RunSQL(_LEDGER.read_text(), REVERSE)]
