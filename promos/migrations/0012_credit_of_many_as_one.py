"""The credit of a company's redemptions, and of a batch's, is posted as one (billing/models/ledger.sql)."""

from pathlib import Path

from django.db import migrations

_USE_CASES = Path(__file__).parents[1] / "use_cases"


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0011_index_of_orders_alone"),
        ("billing", "0013_grants_of_one_statement"),
    ]

    operations = [
        migrations.RunSQL((_USE_CASES / file).read_text(), migrations.RunSQL.noop)
        for file in ("redeem_many.sql", "redeem_together.sql")
    ]
