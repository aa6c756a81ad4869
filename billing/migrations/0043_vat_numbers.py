"""Organizations have a VAT number. The check is validated by the next migration, while the service writes."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("billing", "0042_console_indexes")]

    operations = [
        migrations.AddField(
            "organization",
            "vat_number",
            models.CharField(
                max_length=30,
                blank=True,
                default="",
                db_default="",
                help_text="Stands on the invoices that are issued from then on.",
            ),
        ),
        AddConstraintNotValid(
            "organization",
            models.CheckConstraint(
                condition=Q(vat_number__regex=r"^([A-Z0-9]{4,30})?$"), name="billing_organization_vat_number_form"
            ),
        ),
    ]
