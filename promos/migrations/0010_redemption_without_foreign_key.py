"""A redemption's code and customer are looked at in one look, by its trigger (promos.sql)."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

_APP = Path(__file__).parents[1]


class Migration(migrations.Migration):
    dependencies = [
        ("promos", "0009_redeem_together_in_one_statement"),
        ("billing", "0011_entry_in_one_trigger"),
    ]

    operations = [
        migrations.RunSQL((_APP / "models/promos.sql").read_text(), migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="redemption",
            name="customer",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemptions",
                to="billing.customer",
            ),
        ),
    ]
