"""Staff close deliveries of webhooks that failed.

As in 0048, no constraint ties the new column to the old ones, which are all that the earlier release knows.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0049_set_unmirrored_events_aside")]

    operations = [migrations.AddField("webhookdelivery", "closed_at", models.DateTimeField(blank=True, null=True))]
