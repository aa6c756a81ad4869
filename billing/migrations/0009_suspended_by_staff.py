"""Keeps whether staff suspended an organization, so that its owner's order does not make it active again."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_staff_addresses")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="suspended_by_staff",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its owner's order does not make it active again: only staff do.",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=Q(suspended_by_staff=False) | Q(status__in=["suspended", "deleted"]),
                name="billing_organization_staff_suspension_fits",
            ),
        ),
    ]
