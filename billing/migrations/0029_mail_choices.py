"""Customers decline reminders. The check is validated by the next migration, while the service writes."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

OPTIONAL = ["credit_expires", "renewal_ahead", "credit_runs_out"]


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_finance_and_support")]

    operations = [
        migrations.AddField(
            "customer",
            "declined_mails",
            ArrayField(models.CharField(max_length=20), blank=True, db_default=[], default=list),
        ),
        AddConstraintNotValid(
            "customer",
            models.CheckConstraint(
                condition=Q(declined_mails__contained_by=OPTIONAL), name="billing_customer_declines_optional_mails"
            ),
        ),
    ]
