"""A report says which error arose and where, and nothing of a customer."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from config.telemetry.error_reports import MAX_REPORTS_A_MINUTE, ErrorReportHandler

from .collector import Collector, collecting

SECRETS = ("ada@example.org", "WELCOME50", "eyJhbGciOi", "sk_live_1", "+96812345", "198.51.100.7")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture
def handler(collector: Collector) -> Iterator[ErrorReportHandler]:
    made = ErrorReportHandler(dsn=collector.settings["SENTRY_DSN"], version="1.2.3", sovereign="sovereign.example")
    root = logging.getLogger()
    root.addHandler(made)
    yield made
    root.removeHandler(made)
    made.client.close()


def fail(address: str, code: str) -> None:
    token, key, phone = SECRETS[2:5]
    try:
        raise KeyError(address, code, token)
    except KeyError as error:
        raise ValueError(f"{key} of {phone} failed for {code}") from error


def test_a_report_has_the_lines_of_code_and_no_value(collector: Collector, handler: ErrorReportHandler) -> None:
    try:
        fail(*SECRETS[:2])
    except ValueError:
        logging.getLogger("orders.test").exception("the code %s of %s failed", SECRETS[1], SECRETS[0])
    handler.flush()
    (report,) = collector.reports
    first, last = report["exception"]["values"]
    assert (first["type"], last["type"]) == ("KeyError", "ValueError")
    assert last["stacktrace"]["frames"][-1]["function"] == "fail"
    assert (report["release"], report["environment"]) == ("qasima@1.2.3", "sovereign.example")
    assert report["logentry"]["message"] == "the code %s of %s failed"
    assert [each for each in SECRETS if each.encode() in b"".join(collector.received)] == []


def test_a_record_of_a_job_names_the_job(collector: Collector, handler: ErrorReportHandler) -> None:
    with structlog.contextvars.bound_contextvars(job_id=77):
        logging.getLogger("procrastinate.worker").error("Job send_mail[77]() ended with status: Error")
    handler.flush()
    assert collector.reports[0]["tags"] == {"job_id": "77"}


def test_structured_records_are_reported_with_the_ids_that_lead_to_the_log(
    collector: Collector, handler: ErrorReportHandler
) -> None:
    logger = structlog.get_logger("config.test")
    with structlog.contextvars.bound_contextvars(request_id="req-1", ip=SECRETS[5]):
        try:
            fail(*SECRETS[:2])
        except ValueError:
            logger.exception("request_failed", code=500, request=f"POST /api/{SECRETS[1]}", user_id=SECRETS[0])
        logger.error(f"entry {SECRETS[1]} of {SECRETS[0]} has no document", key=SECRETS[3])
    handler.flush()
    failed, other = collector.reports
    assert failed["tags"] == {"request_id": "req-1", "code": "500"}
    assert [each["type"] for each in failed["exception"]["values"]] == ["KeyError", "ValueError"]
    assert other["logentry"]["message"] == "entry … of … has no document"
    sent = b"".join(collector.received)
    assert [each for each in SECRETS if each.encode() in sent] == []


def test_clients_faults_and_a_flood_are_not_reported(collector: Collector, handler: ErrorReportHandler) -> None:
    logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header")
    for _ in range(MAX_REPORTS_A_MINUTE + 5):
        logging.getLogger("orders.test").error("the broker is away")
    handler.flush()
    # The minute may have ended meanwhile.
    assert MAX_REPORTS_A_MINUTE <= len(collector.reports) <= MAX_REPORTS_A_MINUTE + 5
    assert {each["logger"] for each in collector.reports} == {"orders.test"}
