from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from orders.use_cases.seed_demo import VOUCHER, seed_demo


class Command(BaseCommand):
    help = "Adds the demo Sovereign's staff logins and a voucher, and prints them. Refused in production."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("demo logins are not for production")
        with transaction.atomic():
            logins = seed_demo(staff=settings.DEMO_LOGINS, password=settings.DEMO_PASSWORD or "demo")
        for login in logins:
            self.stdout.write(f"  {login.role:<16} {login.username} / {login.password}")
        self.stdout.write(f"  a voucher        {VOUCHER}")
