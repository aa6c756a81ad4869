"""Puts every code into a campaign: existing ones into the default campaign.

The column comes with its constant default, so no row is rewritten, and the foreign key is checked afterwards, while
codes are issued and redeemed.
"""

import uuid

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_COLUMN = """
ALTER TABLE promos_promocode ADD COLUMN campaign_id uuid DEFAULT '00000000-0000-7000-8000-000000000001' NOT NULL
"""
_KEY = """
ALTER TABLE promos_promocode ADD CONSTRAINT promos_promocode_campaign_exists
  FOREIGN KEY (campaign_id) REFERENCES promos_campaign (id) DEFERRABLE INITIALLY DEFERRED NOT VALID
"""
_DEFAULT = uuid.UUID("00000000-0000-7000-8000-000000000001")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("promos", "0002_campaigns")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_COLUMN, "ALTER TABLE promos_promocode DROP COLUMN campaign_id CASCADE"),
                migrations.RunSQL(_KEY, migrations.RunSQL.noop),
                migrations.RunSQL(
                    "ALTER TABLE promos_promocode VALIDATE CONSTRAINT promos_promocode_campaign_exists",
                    migrations.RunSQL.noop,
                ),
            ],
            state_operations=[
                migrations.AddField(
                    model_name="promocode",
                    name="campaign",
                    field=models.ForeignKey(
                        db_default=_DEFAULT,
                        db_index=False,
                        default=_DEFAULT,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="codes",
                        to="promos.campaign",
                    ),
                ),
            ],
        ),
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(fields=["campaign", "-created_at"], name="promos_promocode_of_campaign"),
        ),
    ]
