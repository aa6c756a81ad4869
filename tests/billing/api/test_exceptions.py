import json
import logging
from typing import Any

import psycopg
import pytest
from django.db import InternalError, connection
from django.test import Client

from billing.api.exceptions import is_database_failure
from tests.billing.api.conftest import bearer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.api.probe")]


def fail(api: Client, how: str, body: Any = None) -> Any:
    return api.post(f"/api/fail/{how}", json.dumps(body or {}), content_type="application/json")


def test_a_refusal_has_its_code_and_sentence(api: Client) -> None:
    answer = fail(api, "refused")
    assert answer.status_code == 409
    assert answer.json() == {
        "error": "the probe was refused",
        "code": "probe_refused",
        "fields": {"name": ["is taken"]},
    }


def test_a_refusal_for_now_says_when_to_come_again(api: Client) -> None:
    answer = fail(api, "busy")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json() == {"error": "the service is busy: try again", "code": "busy"}


def test_not_found_and_forbidden_reveal_nothing_else(api: Client) -> None:
    answer = fail(api, "missing")
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is nothing at this address", "code": "not_found"}
    answer = fail(api, "forbidden")
    assert answer.status_code == 403
    assert answer.json() == {"error": "you may not do this", "code": "permission_denied"}


def test_each_invalid_input_is_named(api: Client) -> None:
    answer = fail(api, "invalid", {"apps": ["a", None, []]})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "name: is required",
        "code": "invalid_request",
        "fields": {
            "name": ["is required"],
            "apps.1": ["must not be null"],
            "apps.2": ["must be text"],
        },
    }


@pytest.mark.parametrize("body", [[], "text", 5, True])
def test_a_body_that_is_no_object_is_refused(api: Client, body: Any) -> None:
    answer = api.post("/api/fail/invalid", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"


def test_an_error_of_the_whole_body_is_the_sentence(api: Client) -> None:
    answer = fail(api, "whole")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "starts_at must lie before expires_at",
        "code": "invalid_request",
        "fields": {},
    }


def test_a_models_own_refusal_is_a_400(api: Client) -> None:
    answer = fail(api, "model")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "the whole is wrong",
        "code": "invalid_request",
        "fields": {"slug": ["is taken"]},
    }


def test_an_internal_error_is_logged_and_not_shown(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = fail(api, "mistake")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "error": "something went wrong on our side; we have logged it",
        "code": "internal_error",
    }
    (record,) = [each for each in caplog.records if each.name == "config.web.middleware"]
    assert record.exc_info is not None or "RuntimeError" in record.getMessage()


def test_an_internal_error_is_raised_in_tests(client: Client) -> None:
    with pytest.raises(RuntimeError, match="clients may not see"):
        fail(client, "mistake")


def test_a_wrong_statement_is_a_mistake_of_ours(api: Client) -> None:
    answer = fail(api, "wrong_statement")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_not_given_in_time_is_busy(api: Client) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_xact_lock(4711)")
        answer = fail(api, "lock_wait")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"error": "the service is busy: try again", "code": "busy"}
    assert fail(api, "lock_wait").status_code == 200


def test_a_statement_timeout_is_answered_as_busy(api: Client) -> None:
    answer = fail(api, "slow_statement")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def test_a_database_that_is_away_is_a_503(api: Client) -> None:
    answer = fail(api, "no_server")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json() == {
        "error": "the service is temporarily unavailable: try again",
        "code": "database_unavailable",
    }


@pytest.mark.parametrize("state", ["25006", "57P01", "57P02", "57P03", "53300", "53100"])
def test_a_database_that_accepts_no_work_is_a_503(api: Client, state: str) -> None:
    answer = fail(api, "sqlstate", {"state": state})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "database_unavailable"


def test_a_pooler_that_answers_a_statement_twice_is_away_and_an_internal_error_of_the_server_is_not() -> None:
    for cause, is_away in ((psycopg.InternalError("received 2 results from command 'BEGIN'"), True),
                           (psycopg.errors.DataCorrupted(), False)):  # fmt: skip
        failed = InternalError()
        failed.__cause__ = cause
        assert is_database_failure(failed) is is_away


@pytest.mark.urls("config.urls")
def test_a_read_only_primary_is_a_503_for_changes_and_unready(api: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    body = {"slug": "ada-bakery", "name": "Ada Bakery"}
    headers = bearer(sub="ada")
    answer = api.post("/api/tenant/orgs", json.dumps(body), content_type="application/json", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "database_unavailable"
    ready = api.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "database_read_only")


def test_a_wrong_method_names_the_right_ones(api: Client) -> None:
    answer = api.put("/api/echo", "{}", content_type="application/json")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert answer.json() == {"error": 'Method "PUT" not allowed.', "code": "method_not_allowed"}


def test_errors_come_in_their_order(api: Client) -> None:
    """401, 403, then 413 or 415, then 400."""
    large, wrong = b" " * (256 * 1024 + 1), b"{"

    def post(body: bytes, content_type: str, role: str | None) -> int:
        headers = bearer(role=role) if role else {}
        answer = api.post("/api/vouchers", body, content_type=content_type, headers=headers)
        return int(answer.status_code)

    assert post(large, "text/plain", None) == 401
    assert post(large, "application/json", "customer") == 403
    assert post(large, "application/json", "superadmin") == 413
    assert post(wrong, "text/plain", "superadmin") == 415
    assert post(wrong, "application/json", "superadmin") == 400


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", ""])
def test_the_answer_is_json_whatever_is_asked_for(api: Client, accept: str) -> None:
    answer = api.post("/api/echo", "{}", content_type="application/json", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
