"""Adds the moment at which VAT is due for a campaign's credit. The next migration validates the checks."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

FITS_CLASS = (
    Q(vat_treatment="multi_purpose")
    | Q(vat_treatment="single_purpose", credit_class="sold")
    | (Q(vat_treatment="no_consideration") & ~Q(credit_class="sold"))
)
NEEDS_LIFE = Q(vat_treatment="multi_purpose") | Q(credit_days__isnull=False) | Q(credit_expires_at__isnull=False)


class Migration(migrations.Migration):
    dependencies = [("promos", "0025_redemptions_number_further_uses")]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="vat_treatment",
            field=models.CharField(
                choices=[
                    ("multi_purpose", "multi-purpose: due when it is spent"),
                    ("single_purpose", "single-purpose: due when it is sold"),
                    ("no_consideration", "no consideration: none"),
                ],
                db_default="multi_purpose",
                default="multi_purpose",
                max_length=16,
            ),
        ),
        AddConstraintNotValid(
            model_name="campaign",
            constraint=models.CheckConstraint(condition=FITS_CLASS, name="promos_campaign_vat_treatment_fits_class"),
        ),
        AddConstraintNotValid(
            model_name="campaign",
            constraint=models.CheckConstraint(condition=NEEDS_LIFE, name="promos_campaign_vat_treatment_needs_life"),
        ),
    ]
