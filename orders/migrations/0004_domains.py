"""Domains that organizations bring, and which of them are verified."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_customer_email_index"),
        ("orders", "0003_provisions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Domain",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(help_text="Lower-case, in ASCII (punycode).", max_length=253)),
                ("registrar", models.CharField(blank=True, db_default="", default="", max_length=50)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("verified", "Verified"), ("failed", "Failed")],
                        db_default="pending",
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="domains",
                        to="billing.organization",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["name"], name="orders_domain_of_name")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "name"), name="orders_domain_once_per_organization"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "verified")),
                        fields=("name",),
                        name="orders_domain_verified_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "verified", "failed"])),
                        name="orders_domain_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("name__regex", "^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z0-9-]*[a-z][a-z0-9-]*$")
                        ),
                        name="orders_domain_name_form",
                    ),
                ],
            },
        ),
    ]
