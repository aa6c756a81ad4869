"""dj-stripe's app without its webhook handlers and system checks.

Its handlers call Stripe inside a database transaction; orders.webhooks and orders.stripe.mirror replace them. Its
checks are about settings that this service does not use, and query the database even before it exists.
"""

from djstripe.apps import DjstripeAppConfig


class StripeMirrorConfig(DjstripeAppConfig):
    verbose_name = "Stripe"

    def ready(self) -> None:
        from djstripe import _stripe_compat  # noqa: F401, PLC0415 - gives Stripe's objects the methods of mappings

        from orders.stripe.replay import install  # noqa: PLC0415 - needs the models

        install()
