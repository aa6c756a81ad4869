"""place_order.sql tells the balance that its last entry left, instead of asking for it."""

from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]


class Migration(migrations.Migration):
    dependencies = [("orders", "0007_rules_in_triggers")]

    operations = [
        migrations.RunSQL((_APP / "use_cases/place_order.sql").read_text(), migrations.RunSQL.noop),
    ]
