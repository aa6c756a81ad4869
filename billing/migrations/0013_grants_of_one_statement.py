"""Several customers' grants are posted as one: their accounts are moved by one UPDATE (ledger.sql)."""

from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_reversed_once")]

    operations = [
        migrations.RunSQL((_APP / file).read_text(), migrations.RunSQL.noop)
        for file in ("models/ledger.sql", "use_cases/grant_many.sql")
    ]
