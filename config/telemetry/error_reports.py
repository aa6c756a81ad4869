"""Reports errors to SENTRY_DSN: Sentry, or a service with its protocol such as GlitchTip.

A report says which error arose and in which lines of code, with the id of the request or job, by which the log has
the rest. It has no message of an exception, no local variable, and nothing of the request: these may be codes, tokens
and addresses of customers. Only errors that are logged are reported, so the log misses none of them.
"""

import logging
import re
import sys
import time
from typing import Any

import sentry_sdk
from sentry_sdk.utils import event_from_exception
from structlog.contextvars import get_contextvars

# An outage logs an error for each request; more reports of it help nobody.
MAX_REPORTS_A_MINUTE = 30
FLUSH_SECONDS = 2
# Clients cause these, or they arise where reports are sent.
_LOGGERS_LEFT_OUT = ("django.security", "config.requests", "opentelemetry", "sentry_sdk", "urllib3")
# Ids of requests and jobs lead to the log; other fields of a line are not sent.
_TAGS = ("request_id", "job_id", "event_id", "code")
_IN_A_SENTENCE = re.compile(r"\S*[@\d]\S*|\b[A-Z0-9_-]{3,}\b")


class ErrorReportHandler(logging.Handler):
    """Reports each record of an error. A process makes one of these after it was forked."""

    def __init__(self, *, dsn: str, version: str, sovereign: str) -> None:
        super().__init__(logging.ERROR)
        self.client = sentry_sdk.Client(
            dsn=dsn,
            release=f"qasima@{version}",
            environment=sovereign,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            max_breadcrumbs=0,
        )
        self._minute, self._reports = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Reports the record, unless many were reported within this minute."""
        if record.name.startswith(_LOGGERS_LEFT_OUT) or self._is_too_many():
            return
        try:
            self.client.capture_event(self._describe(record))
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)

    def flush(self) -> None:
        """Sends what waits, at the end of the process."""
        self.client.flush(timeout=FLUSH_SECONDS)

    def _is_too_many(self) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._reports = minute, 0
        self._reports += 1
        return self._reports > MAX_REPORTS_A_MINUTE

    def _describe(self, record: logging.LogRecord) -> Any:
        # structlog's records have their fields as message.
        fields = get_contextvars() | (record.msg if isinstance(record.msg, dict) else vars(record))
        title = fields["event"] if isinstance(record.msg, dict) else record.msg
        exception = record.exc_info or fields.get("exc_info")
        if exception is True:
            exception = sys.exc_info()
        event: Any = {}
        if isinstance(exception, tuple) and exception[0]:
            event, _ = event_from_exception(exception, client_options=self.client.options)
            for each in event["exception"]["values"]:
                each["value"] = ""
        event |= {
            "level": "error",
            "logger": record.name,
            "logentry": {"message": _IN_A_SENTENCE.sub("…", str(title))},
            "tags": {name: str(fields[name]) for name in _TAGS if fields.get(name)},
        }
        return event
