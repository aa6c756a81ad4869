"""Checkouts are tried at once, those of the same moment together; the catalog has a version for it."""

from pathlib import Path

from django.db import migrations, models

_APP = Path(__file__).parents[1]

_NO_CATALOG = """
DROP TRIGGER orders_plan_changes_catalog ON orders_plan;
DROP TRIGGER orders_plan_altered_changes_catalog ON orders_plan;
DROP TRIGGER orders_addon_changes_catalog ON orders_addon;
DROP TRIGGER orders_addon_altered_changes_catalog ON orders_addon;
DROP TRIGGER orders_app_changes_catalog ON orders_app;
DROP TRIGGER orders_app_altered_changes_catalog ON orders_app;
DROP FUNCTION orders_catalog_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_hot_rows"), ("promos", "0008_redeem_together")]

    operations = [
        migrations.CreateModel(
            name="CatalogVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("version", models.UUIDField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="orders_catalogversion_one_row"),
                ],
            },
        ),
        migrations.RunSQL((_APP / "models/catalog.sql").read_text(), _NO_CATALOG),
        migrations.RunSQL((_APP / "use_cases/place_order.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(
            (_APP / "use_cases/place_together.sql").read_text(),
            "DROP FUNCTION orders_place_together(uuid, text, jsonb)",
        ),
    ]
