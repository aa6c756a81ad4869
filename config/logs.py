"""Logging: one structured line an event, JSON in production, readable on a console otherwise.

Written of a request: its id, method, path, status, the client's address and the user id. Never written: the
query string, headers, bodies, or the values of local variables in a traceback.
"""

from typing import Any

import structlog
from structlog.typing import Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(allow=("event_id", "job_id")),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure_structlog() -> None:
    """Sends structlog's own loggers through the standard library's handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """Django's LOGGING."""
    rendered: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        rendered += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        rendered += [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": rendered,
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handler would mail and print a second time what the root logger writes.
            "django": {"handlers": [], "level": level, "propagate": True},
            # One line a request is enough: the request middleware writes it, failures with their traceback.
            "django.request": {"handlers": [], "level": "CRITICAL", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": False},
            # Below that it writes what Stripe is asked and answers: addresses, and whatever an error quotes.
            "stripe": {"handlers": [], "level": "WARNING", "propagate": True},
            "psycopg.pool": {"handlers": [], "level": "WARNING", "propagate": True},
            # Both tell at every start of every process what is in the code.
            "procrastinate.blueprints": {"handlers": [], "level": "WARNING", "propagate": True},
            "procrastinate.periodic": {"handlers": [], "level": "WARNING", "propagate": True},
        },
    }
