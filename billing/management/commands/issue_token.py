from datetime import timedelta
from typing import Any

import jwt
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.actor import CUSTOMER, MACHINE_ROLES, STAFF_ROLES


class Command(BaseCommand):
    help = "Print a bearer token for a user id. For demo and development only: elsewhere the platform signs tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sub", help="the user id")
        parser.add_argument("--email", default="")
        parser.add_argument("--role", default=CUSTOMER, choices=[CUSTOMER, *STAFF_ROLES, *MACHINE_ROLES])
        parser.add_argument("--hours", type=int, default=12, help="how many hours the token is valid")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION or not settings.JWT_SECRET:
            raise CommandError("This command works in demo and development only, and needs JWT_SECRET.")
        now = timezone.now()
        claims = {
            "sub": options["sub"],
            "email": options["email"],
            "role": options["role"],
            "iat": now,
            "exp": now + timedelta(hours=options["hours"]),
        }
        claims |= {"iss": settings.JWT_ISSUER} if settings.JWT_ISSUER else {}
        claims |= {"aud": settings.JWT_AUDIENCE} if settings.JWT_AUDIENCE else {}
        self.stdout.write(jwt.encode(claims, settings.JWT_SECRET, algorithm="HS256"))
