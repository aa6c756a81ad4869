"""Django's admin with the pages of all apps except dj-stripe and django-allauth.

dj-stripe's pages can change and delete objects at Stripe, resync from it, and show and accept keys. Their modules are
never loaded; orders.admin has read-only pages instead. django-allauth's pages would change addresses and second
factors without an audit entry.
"""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.module_loading import module_has_submodule

APPS_WITHOUT_ADMIN = ("djstripe", "allauth.account", "allauth.mfa")


class ConsoleConfig(SimpleAdminConfig):
    def ready(self) -> None:
        super().ready()
        for app in apps.get_app_configs():
            if app.name not in APPS_WITHOUT_ADMIN and app.module and module_has_submodule(app.module, "admin"):
                import_module(f"{app.name}.admin")
        words = import_module("billing.admin.console.words")
        # The theme has put a site of its own in place of Django's.
        for model in admin.site._registry:
            words.translate_model(model)
