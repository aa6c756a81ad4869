from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.errors import PriceNotChargeable
from orders.use_cases.catalog.seed_catalog import fill_arabic_texts, seed_catalog


class Command(BaseCommand):
    help = (
        "Adds the starting catalog: plans, add-ons, apps, industries, bundles. Safe to run again: items that exist"
        " stay as they are, and get the Arabic texts that they lack."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            added = seed_catalog()
        except PriceNotChargeable as error:
            raise CommandError(error.text) from error
        for section, count in added.items():
            self.stdout.write(f"{section}: {count} added")
        self.stdout.write(f"Arabic texts of items from before: {fill_arabic_texts()} added")
