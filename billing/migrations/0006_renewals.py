from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0005_card_payments"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="past_due_since",
            field=models.DateTimeField(
                blank=True,
                help_text="When credit first did not cover a month that is due: the grace begins.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("paid_by", "credit"), ("status__in", ["active", "past_due"])),
                fields=["current_period_end"],
                name="billing_subscription_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stripe_invoice_id", "")),
                fields=("subscription", "period_start"),
                name="billing_invoice_period_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_by", "credit"), ("status", "past_due"), _negated=True),
                    ("past_due_since__isnull", False),
                    _connector="OR",
                ),
                name="billing_subscription_past_due_since_given",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "active"), _negated=True), ("past_due_since__isnull", True), _connector="OR"
                ),
                name="billing_subscription_active_is_not_past_due",
            ),
        ),
    ]
