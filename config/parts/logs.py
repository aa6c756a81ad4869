"""Logging configuration: one structured line per event, as JSON in production and as plain text otherwise.

The log line of a request has its id, method, path, status, the client's address and the user id. It never has the
query string, headers or the body, and a traceback never has the values of local variables.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
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


class EventFormatter(structlog.stdlib.ProcessorFormatter):
    """Writes the records of `log_event` as they are, and others as structlog does."""

    def __init__(self, *, as_json: bool, **options: Any) -> None:
        super().__init__(**options)
        self.write: Callable[[Any], str] = json.dumps if as_json else _write_for_people

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "is_event", False):
            return self.write(record.msg)
        return super().format(record)


def log_event(logger: logging.Logger, level: int, event: dict[str, Any]) -> None:
    """Logs an event whose values are plain, such as a request: a third of the CPU time of structlog's own loggers.

    It is not for exceptions, and adds nothing of structlog's context.
    """
    if logger.isEnabledFor(level):
        name = logging.getLevelName(level).lower()
        written_at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        event = {**event, "logger": logger.name, "level": name, "timestamp": written_at}
        record = logging.LogRecord(logger.name, level, "", 0, event, None, None)
        record.is_event = True
        logger.handle(record)


def _write_for_people(event: dict[str, Any]) -> str:
    return structlog.dev.ConsoleRenderer()(None, "", dict(event))


class RefusalWithoutTraceback(logging.Filter):
    """Logs a refused request, such as an unknown look-up in the console, in one line: its traceback tells nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security"):
            record.exc_info = None
        return True


def logging_config(
    *, as_json: bool, level: str, job_level: str, reports: dict[str, str] | None = None
) -> dict[str, Any]:
    """Returns Django's LOGGING setting.

    Args: reports: where errors are reported too, and as which release and deployment.
    """
    reported = {"reports": {"()": "config.telemetry.error_reports.ErrorReportHandler", **reports}} if reports else {}
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
                "()": EventFormatter,
                "as_json": as_json,
                "processors": rendered,
                "foreign_pre_chain": _SHARED,
            }
        },
        "filters": {"refusals": {"()": RefusalWithoutTraceback}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["refusals"]},
            **reported,
        },
        "root": {"handlers": ["stderr", *reported], "level": level},
        "loggers": {
            # Django's own handlers would print and mail what the root logger already writes.
            "django": {"handlers": [], "level": level, "propagate": True},
            # The request middleware writes one line per request, and failures with their traceback.
            "django.request": {"handlers": [], "level": "CRITICAL", "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": False},
            # Below WARNING it logs requests to Stripe and their responses, which may hold addresses.
            "stripe": {"handlers": [], "level": "WARNING", "propagate": True},
            "psycopg.pool": {"handlers": [], "level": "WARNING", "propagate": True},
            # It would log each step of making a PDF, some hundred lines.
            "fontTools": {"handlers": [], "level": "WARNING", "propagate": True},
            "procrastinate": {"handlers": [], "level": job_level, "propagate": True},
            # At every start, both would log what the code already says.
            "procrastinate.blueprints": {"handlers": [], "level": "WARNING", "propagate": True},
            "procrastinate.periodic": {"handlers": [], "level": "WARNING", "propagate": True},
        },
    }
