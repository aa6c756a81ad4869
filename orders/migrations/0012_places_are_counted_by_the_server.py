"""Who asks writes his order himself, before he knows his place among the others."""

from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "place_together.sql"


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_checkouts_together"), ("promos", "0009_redeem_together_in_one_statement")]

    operations = [migrations.RunSQL(_FILE.read_text(), migrations.RunSQL.noop)]
