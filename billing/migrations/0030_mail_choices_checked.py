from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0029_mail_choices")]

    operations = [ValidateConstraint("customer", name="billing_customer_declines_optional_mails")]
