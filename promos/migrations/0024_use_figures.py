from django.db import migrations, models

HELP = "Redemptions by day and state, and refusals by rule, begun before `until`."


class Migration(migrations.Migration):
    """The nightly figures keep the use of codes, so that their pages count only what is newer."""

    dependencies = [("promos", "0023_release_writes_longer_type")]

    operations = [
        migrations.AddField(
            model_name=name,
            name="use",
            field=models.JSONField(blank=True, help_text=HELP, null=True),
        )
        for name in ("campaignfigures", "codefigures")
    ]
