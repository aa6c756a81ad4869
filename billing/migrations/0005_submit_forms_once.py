"""Stores the id of each form of the console that took effect, so that it takes effect once."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_sign_in"),
    ]

    operations = [
        migrations.CreateModel(
            name="FormSubmission",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("form_id", models.UUIDField(help_text="Made with the page that showed the form.")),
                (
                    "part",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The record, where one form changes several.",
                        max_length=100,
                    ),
                ),
                (
                    "result",
                    models.TextField(
                        blank=True, db_default="", default="", help_text="What was done, in a sentence."
                    ),
                ),
                ("url", models.TextField(blank=True, db_default="", default="", help_text="The page that shows it.")),
                ("submitted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("form_id", "part"), name="billing_formsubmission_once"),
                    models.CheckConstraint(
                        condition=models.Q(("submitted_at__lt", models.F("expires_at"))),
                        name="billing_formsubmission_expires_later",
                    ),
                ],
            },
        ),
    ]
