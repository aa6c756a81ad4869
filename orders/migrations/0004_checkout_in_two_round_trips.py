from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_staff_see_payments"), ("promos", "0003_redeem_in_one_round_trip")]

    operations = [
        migrations.RunSQL((_APP / "use_cases/place_order.sql").read_text(), migrations.RunSQL.noop),
    ]
