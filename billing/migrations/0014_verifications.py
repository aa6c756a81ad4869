from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_merge_indexes")]

    operations = [
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "books",
                    models.CharField(
                        choices=[("ledger", "Ledger"), ("redemptions", "Redemptions")],
                        max_length=11,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("verified_at", models.DateTimeField()),
                ("fault", models.CharField(blank=True, db_default="", default="", max_length=300)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("books__in", ["ledger", "redemptions"])),
                        name="billing_verification_books_known",
                    )
                ],
            },
        ),
    ]
