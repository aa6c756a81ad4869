"""That an entry is reversed once is kept by an index of reversals alone: most entries are none.

Built beside a running service; the one before goes once this one stands.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0011_entry_in_one_trigger")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY billing_ledgerentry_reversed_once"
                    " ON billing_ledgerentry (reverses_id) WHERE reverses_id IS NOT NULL",
                    "DROP INDEX CONCURRENTLY billing_ledgerentry_reversed_once",
                ),
                migrations.RunSQL(
                    "ALTER TABLE billing_ledgerentry DROP CONSTRAINT billing_ledgerentry_reverses_id_key",
                    "ALTER TABLE billing_ledgerentry ADD UNIQUE (reverses_id)",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="ledgerentry",
                    constraint=models.UniqueConstraint(
                        condition=models.Q(("reverses__isnull", False)),
                        fields=("reverses",),
                        name="billing_ledgerentry_reversed_once",
                    ),
                ),
                migrations.AlterField(
                    model_name="ledgerentry",
                    name="reverses",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.ledgerentry",
                    ),
                ),
            ],
        ),
    ]
