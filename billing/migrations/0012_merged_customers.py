"""A customer can be merged into another one, and its account is then closed."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_approvers")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merged_customers",
                to="billing.customer",
            ),
        ),
        migrations.AddField(
            model_name="customer", name="merged_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="account",
            name="closed",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its customer was merged into another one: it stays empty.",
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True, merged_at__isnull=True)
                | models.Q(merged_into__isnull=False, merged_at__isnull=False),
                name="billing_customer_merged_at_fits",
            ),
        ),
    ]
