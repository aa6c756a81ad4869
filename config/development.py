"""The embedded PostgreSQL as a substitute for DATABASE_URL, outside production only.

This is the only module that imports `config.devtools`, and only where the server is used: production neither
imports it nor needs its packages.
"""

import os
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.parts.environment import Environment


def uses_embedded_postgres(environment: Environment) -> bool:
    """Returns whether the database is the embedded server: DATABASE_URL is absent, and this is not production."""
    return not environment.text("DATABASE_URL") and not environment.is_production()


def embedded_connection() -> dict[str, Any]:
    """Return the connection settings of the embedded server, by the names of Django's DATABASES. Starts nothing.

    Raises: ImproperlyConfigured: it is not installed, or cannot be used here.
    """
    postgres = _embedded_postgres()
    try:
        return dict(postgres.connection_settings())
    except postgres.EmbeddedPostgresError as error:
        raise ImproperlyConfigured(str(error)) from error


def start_embedded_postgres() -> None:
    """Start the embedded server if the settings use it, and keep it running as long as this process lives.

    Raises: ImproperlyConfigured: it is not installed, or does not start.
    """
    if not uses_embedded_postgres(Environment(os.environ)):
        return
    postgres = _embedded_postgres()
    try:
        postgres.ensure_running()
    except postgres.EmbeddedPostgresError as error:
        raise ImproperlyConfigured(str(error)) from error


def _embedded_postgres() -> ModuleType:
    try:
        from config.devtools import embedded_postgres  # noqa: PLC0415 - absent in production
    except ImportError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL is missing, and the embedded PostgreSQL is not installed. Set DATABASE_URL, or run:"
            " python3 -I config/bootstrap.py demo"
        ) from error
    return embedded_postgres
