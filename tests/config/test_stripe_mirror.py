"""Unused parts of dj-stripe are off: its addresses, its keys, and its checks that query the database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from django.core.checks.registry import registry
from django.urls import URLPattern, URLResolver, get_resolver
from djstripe.settings import djstripe_settings

from tests.database import PROJECT


def addresses(resolver: URLResolver) -> Iterator[Any]:
    """The view behind every address."""
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield each.callback
        else:
            yield from addresses(each)


def test_no_address_leads_into_dj_stripe() -> None:
    """Its own webhook view lets a header of the request name the secret while DEBUG is on."""
    assert [view for view in addresses(get_resolver()) if view.__module__.startswith("djstripe")] == []


def test_dj_stripe_knows_no_key() -> None:
    assert djstripe_settings.get_api_keys() == []
    assert djstripe_settings.STRIPE_PUBLIC_KEY == ""


def test_no_check_of_dj_stripes_is_run() -> None:
    assert [check for check in registry.registered_checks if check.__module__.startswith("djstripe")] == []


def test_the_checks_need_no_database() -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    }
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=PROJECT, env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
