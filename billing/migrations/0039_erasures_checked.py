from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0038_erasures")]

    operations = [ValidateConstraint("customer", name="billing_customer_erased_is_empty")]
