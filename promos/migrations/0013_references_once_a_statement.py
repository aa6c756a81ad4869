"""Redemptions' codes and customers are looked at once a statement, not once a row (promos.sql)."""

from pathlib import Path

from django.db import migrations

_PROMOS = Path(__file__).parents[1] / "models" / "promos.sql"


class Migration(migrations.Migration):
    dependencies = [("promos", "0012_credit_of_many_as_one")]

    operations = [migrations.RunSQL(_PROMOS.read_text(), migrations.RunSQL.noop)]
