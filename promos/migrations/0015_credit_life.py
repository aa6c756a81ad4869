"""The life of credit, on codes and campaigns, and its end, on redemptions. The next migration validates the checks."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

DAYS = Q(credit_days__isnull=True) | Q(credit_days__gte=1, credit_days__lte=3_650)


def life_of(model):
    return [
        migrations.AddField(
            model_name=model,
            name="credit_days",
            field=models.IntegerField(
                blank=True, help_text="The credit expires so many days of 24 hours after the redemption.", null=True
            ),
        ),
        migrations.AddField(
            model_name=model,
            name="credit_expires_at",
            field=models.DateTimeField(blank=True, help_text="The credit expires at this instant.", null=True),
        ),
        AddConstraintNotValid(
            model_name=model,
            constraint=models.CheckConstraint(condition=DAYS, name=f"promos_{model}_credit_days_in_bounds"),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("promos", "0014_dealers_have_an_id_for_the_api")]

    operations = [
        *life_of("promocode"),
        *life_of("campaign"),
        migrations.AddField(
            model_name="redemption",
            name="credit_expires_at",
            field=models.DateTimeField(blank=True, help_text="When the credit expires.", null=True),
        ),
    ]
