"""dj-stripe's application without what this service has of its own.

Left out are its webhook handlers, which call Stripe in a transaction (see orders.webhooks and
orders.stripe.mirror), and its system checks: they are about settings that are not used, and ask the
database, also where there is none yet.
"""

from djstripe.apps import DjstripeAppConfig


class StripeMirrorConfig(DjstripeAppConfig):
    verbose_name = "Stripe"

    def ready(self) -> None:
        from djstripe import _stripe_compat  # noqa: F401, PLC0415 - gives Stripe's objects the methods of mappings

        from orders.stripe.replay import install  # noqa: PLC0415 - needs the models

        install()
