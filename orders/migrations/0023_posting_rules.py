"""Gives each event of the journal its accounts. Finance changes them in the console."""

from django.db import migrations

# Event → debit, credit, VAT.
RULES = {
    "credit.granted_sold": ("1300", "2200", ""),
    "credit.granted_promotional": ("5100", "2200", ""),
    "credit.granted_compensation": ("5200", "2200", ""),
    "credit.unused_month": ("4000", "2200", "2300"),
    "credit.spent": ("2200", "4000", "2300"),
    "credit.expired": ("2200", "4900", ""),
    "credit.adjusted": ("5900", "2200", ""),
    "credit.transferred": ("2200", "2200", ""),
    "card.payment": ("1200", "4000", "2300"),
    "card.refund": ("4000", "1200", "2300"),
    "card.dispute": ("1210", "1200", ""),
    "card.dispute_won": ("1200", "1210", ""),
    "dispute.owed": ("1220", "1210", ""),
    "dispute.taken_back": ("2200", "1210", ""),
}


def seed(apps, schema_editor):
    rule = apps.get_model("orders", "PostingRule")
    rule.objects.bulk_create(
        [rule(event=event, debit=debit, credit=credit, vat=vat) for event, (debit, credit, vat) in RULES.items()],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("orders", "0022_month_end")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
