from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0014_verifications")]

    operations = [
        AddIndexConcurrently(
            model_name="hold",
            index=models.Index(
                fields=["created_at"], condition=models.Q(status="active"), name="billing_hold_active"
            ),
        ),
    ]
