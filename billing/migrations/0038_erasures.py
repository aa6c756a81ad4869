"""Customers are erased. The check is validated by the next migration, while the service writes."""

import django.db.models.deletion
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("billing", "0037_other_chains")]

    operations = [
        migrations.AddField("customer", "erased_at", models.DateTimeField(blank=True, null=True)),
        AddConstraintNotValid(
            "customer",
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True) | Q(email="", language="", declined_mails=[]),
                name="billing_customer_erased_is_empty",
            ),
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="billing.customer",
                    ),
                ),
                ("addresses", ArrayField(models.CharField(max_length=254))),
                ("language", models.CharField(blank=True, db_default="", default="", max_length=7)),
                ("began_at", models.DateTimeField(db_default=Now())),
                ("mailed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
    ]
