from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.errors import PriceNotChargeable
from orders.use_cases.catalog.seed_catalog import seed_catalog


class Command(BaseCommand):
    help = "Adds the starting catalog: plans, add-ons, apps, industries, bundles. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            added = seed_catalog()
        except PriceNotChargeable as error:
            raise CommandError(error.text) from error
        for section, count in added.items():
            self.stdout.write(f"{section}: {count} added")
