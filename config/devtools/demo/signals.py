"""The signals that stop the demo."""

import signal
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """A signal asked the demo to stop."""


def handle_stop_signals() -> None:
    """Raise StopRequested in the main thread at the first stop signal; later ones are ignored."""
    for each in STOP_SIGNALS:
        signal.signal(each, _request_stop)


def ignore_stop_signals() -> None:
    """Let no signal interrupt the demo while it stops its programs."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _request_stop(number: int, frame: FrameType | None) -> NoReturn:
    ignore_stop_signals()
    raise StopRequested
