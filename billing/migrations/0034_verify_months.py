"""Closed months are verified every night too. The table has a row for each of the books, so a check of it is quick."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0033_audit_indexes")]

    operations = [
        migrations.RemoveConstraint(model_name="verification", name="billing_verification_books_known"),
        migrations.AlterField(
            model_name="verification",
            name="books",
            field=models.CharField(
                choices=[
                    ("ledger", "Ledger"),
                    ("redemptions", "Redemptions"),
                    ("chain", "Chain"),
                    ("months", "Months"),
                ],
                max_length=11,
                primary_key=True,
                serialize=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.CheckConstraint(
                condition=models.Q(("books__in", ["ledger", "redemptions", "chain", "months"])),
                name="billing_verification_books_known",
            ),
        ),
    ]
