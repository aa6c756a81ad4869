"""Credit leaves for another Sovereign once a move, and comes in once. The index is built while the service writes."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0039_erasures_checked")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS billing_ledgerentry_moved_once"
                    " ON billing_ledgerentry (reason)"
                    " WHERE (kind = 'adjustment' AND (reason LIKE 'moved-out:%' OR reason LIKE 'moved-in:%'))",
                    "DROP INDEX CONCURRENTLY IF EXISTS billing_ledgerentry_moved_once",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="ledgerentry",
                    constraint=models.UniqueConstraint(
                        fields=("reason",),
                        condition=Q(kind="adjustment")
                        & (Q(reason__startswith="moved-out:") | Q(reason__startswith="moved-in:")),
                        name="billing_ledgerentry_moved_once",
                    ),
                )
            ],
        )
    ]
