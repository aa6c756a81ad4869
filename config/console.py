"""Django's admin as this service runs it: with the pages of every application but dj-stripe's own.

dj-stripe's pages add, change and delete at Stripe, resync from it, and show and take keys (see orders.admin for what
is shown instead). They are not unregistered but never loaded.
"""

from importlib import import_module

from django.apps import apps
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.module_loading import module_has_submodule

APPS_WITHOUT_ADMIN = ("djstripe",)


class ConsoleConfig(SimpleAdminConfig):
    def ready(self) -> None:
        super().ready()
        for app in apps.get_app_configs():
            if app.name not in APPS_WITHOUT_ADMIN and app.module and module_has_submodule(app.module, "admin"):
                import_module(f"{app.name}.admin")
