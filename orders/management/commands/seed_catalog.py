from typing import Any

from django.core.management.base import BaseCommand

from orders.use_cases.catalog.seed_catalog import seed_catalog


class Command(BaseCommand):
    help = "Adds the starting catalog: plans, add-ons, apps, industries, bundles. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        added = seed_catalog()
        for section, count in added.items():
            self.stdout.write(f"{section}: {count} added")
