"""Built beside a running service: the ledger is the one table that is always written to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0007_no_conflict_passed_over")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY billing_ledgerentry_one_grant_per_reason"
                    " ON billing_ledgerentry (account_id, reason) WHERE kind = 'grant' AND reason LIKE 'grant:%'",
                    "DROP INDEX CONCURRENTLY billing_ledgerentry_one_grant_per_reason",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="ledgerentry",
                    constraint=models.UniqueConstraint(
                        fields=["account", "reason"],
                        condition=models.Q(kind="grant", reason__startswith="grant:"),
                        name="billing_ledgerentry_one_grant_per_reason",
                    ),
                )
            ],
        )
    ]
