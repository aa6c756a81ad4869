"""What a redemption costs besides itself: its keys are looked at in one look, and no index has a row for no order."""

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
        migrations.RemoveIndex(model_name="redemption", name="promos_redemption_of_order"),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(
                condition=models.Q(("order_id__isnull", False)),
                fields=["order_id"],
                name="promos_redemption_of_order",
            ),
        ),
    ]
