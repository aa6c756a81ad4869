#!/usr/bin/env python
"""Django's command line; outside production it brings its own PostgreSQL where no other is named."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config.devtools.embedded_postgres import EmbeddedPostgresError, ensure_development_server


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        ensure_development_server()
    except EmbeddedPostgresError as error:
        sys.exit(str(error))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
