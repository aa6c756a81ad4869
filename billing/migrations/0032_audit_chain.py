"""The chain of the audit trail, and the id of the request that made an entry."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0031_renewal_reminders")]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="request_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
        migrations.AddField(
            model_name="ledgercheck",
            name="audit_entries",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name="AuditChain",
            fields=[
                ("id", models.IntegerField(default=1, primary_key=True, serialize=False)),
                ("entries", models.BigIntegerField()),
                ("hash", models.BinaryField(null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="billing_auditchain_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                ("number", models.BigIntegerField(editable=False, primary_key=True, serialize=False)),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link",
                        to="billing.auditentry",
                    ),
                ),
                ("hash", models.BinaryField()),
            ],
        ),
    ]
