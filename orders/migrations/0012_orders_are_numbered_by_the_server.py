"""Who asks writes his order himself, before he knows which of them it will be.

What told a place from 0 tells a number from 1, by another name: a web process of before is refused, and places each
order by itself until it is replaced. So do those whose redemptions it would have written together.
"""

from pathlib import Path

from django.db import migrations

_FILE = Path(__file__).parents[1] / "use_cases" / "place_together.sql"

DROP = """
DROP FUNCTION orders_place_together(uuid, text, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_checkouts_together"), ("promos", "0009_redeem_together_in_one_statement")]

    operations = [migrations.RunSQL(DROP + _FILE.read_text(), migrations.RunSQL.noop)]
