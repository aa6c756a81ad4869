from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0043_vat_numbers")]

    operations = [ValidateConstraint("organization", name="billing_organization_vat_number_form")]
