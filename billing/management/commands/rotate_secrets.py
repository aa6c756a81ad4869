from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import ProcessorSettingsUnreadable
from billing.use_cases.rotate_secrets import rotate_secrets


class Command(BaseCommand):
    help = "Encrypt the stored secrets with the present SECRET_KEY, so that older keys can be dropped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, help="who does it, for the audit trail")
        parser.add_argument("--why", required=True, help="the reason, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            factors = rotate_secrets(by=system_actor(channel="command", user_id=options["by"]), reason=options["why"])
        except (InvalidToken, ProcessorSettingsUnreadable) as error:
            raise CommandError(
                "a secret was encrypted with a SECRET_KEY that is not known here: add it to SECRET_KEY_FALLBACKS"
            ) from error
        self.stdout.write(
            f"encrypted with the present SECRET_KEY: Stripe's keys, webhook secrets and {factors} second factors"
        )
