"""Finds customers by their e-mail address, in any case. The index is built while the service writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0002_organization_members")]

    operations = [
        AddIndexConcurrently(
            model_name="customer", index=models.Index(Upper("email"), name="billing_customer_email")
        ),
    ]
