"""The settings are read once a process, so each case is a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.parts.environment import Environment

PROJECT = Path(__file__).resolve().parents[2]
COMPLETE = {
    "SECRET_KEY": "kx81-Zq0_" * 8,
    "DATABASE_URL": "postgresql://qasima:s%40crt@db.example.om:6432/qasima?sslmode=require",
    "ALLOWED_HOSTS": "shop.example.om, .sovereign.example.om",
    "JWT_SECRET": "sign-tokens-with-this-0123456789-abc",
}


def run(code: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": "", "DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def read(names: str, environment: dict[str, str]) -> Any:
    """The named settings, as JSON sees them."""
    code = (
        "import json, config.settings as s;"
        f"print(json.dumps([getattr(s, n) for n in {names.split()!r}], default=str))"
    )
    done = run(code, environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(environment: dict[str, str]) -> str:
    done = run("import config.settings", environment)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1].removeprefix("django.core.exceptions.ImproperlyConfigured: ")


def test_production_names_everything_that_is_missing() -> None:
    assert refusal({}) == (
        "The environment is not complete: SECRET_KEY is missing; DATABASE_URL is missing;"
        " ALLOWED_HOSTS is missing; JWT_SECRET or JWT_JWKS_URL is missing."
    )


@pytest.mark.parametrize(
    ("absent", "missing"),
    [
        ("SECRET_KEY", "SECRET_KEY"),
        ("DATABASE_URL", "DATABASE_URL"),
        ("ALLOWED_HOSTS", "ALLOWED_HOSTS"),
        ("JWT_SECRET", "JWT_SECRET or JWT_JWKS_URL"),
    ],
)
def test_production_refuses_each_that_is_missing_or_empty(absent: str, missing: str) -> None:
    sentence = f"The environment is not complete: {missing} is missing."
    assert refusal({name: value for name, value in COMPLETE.items() if name != absent}) == sentence
    assert refusal(COMPLETE | {absent: " "}) == sentence


def test_malformed_values_are_named_all_at_once_and_never_repeated() -> None:
    sentence = refusal(
        COMPLETE
        | {
            "DEBUG": "flase",
            "TRUSTED_PROXIES": "10.0.0.0/8, hunter2",
            "API_PREFIX": "../hunter2",
            "DATABASE_URL": "mysql://root:hunter2@db/qasima",
            "SOVEREIGN_CURRENCY": "rial",
            "PREVIEW_RATE_LIMIT": "many",
            "DATABASE_POOL_SIZE": "0",
            "JWT_JWKS_URL": "file:///etc/hunter2",
            "DEMO_PASSWORD": "hunter2",
        }
    )
    assert sentence == (
        "The environment is not complete: DEBUG must be 0 or 1; SOVEREIGN_CURRENCY is malformed;"
        " JWT_JWKS_URL must be an http(s) URL; TRUSTED_PROXIES must be comma-separated networks such as"
        " 10.0.0.0/8; DATABASE_URL must be a postgresql:// URL; DATABASE_POOL_SIZE must be a whole number of"
        " at least 1; API_PREFIX must be a path such as api/, or empty; PREVIEW_RATE_LIMIT is malformed;"
        " DEMO_PASSWORD is not for production."
    )


@pytest.mark.parametrize(
    "url", ["postgresql://", "postgresql://h/", "postgresql://[::1/db", "postgres://h/d?hunter2=1"]
)
def test_a_database_url_that_names_no_database_is_refused(url: str) -> None:
    sentence = refusal(COMPLETE | {"DATABASE_URL": url})
    assert sentence in (
        "The environment is not complete: DATABASE_URL names no database.",
        "The environment is not complete: DATABASE_URL is malformed.",
    )


def test_a_colour_that_nobody_can_read_is_refused() -> None:
    sentence = refusal(COMPLETE | {"BRAND_COLOR": "#ffcc00"})
    assert "BRAND_COLOR has a contrast of 1.4 to 1" in sentence and "choose a darker colour" in sentence
    assert read("BRAND_COLOR_DARK", COMPLETE | {"BRAND_COLOR": "#00563f"}) == ["#669a8c"]


def test_only_production_is_strict() -> None:
    names = "PRODUCTION DEBUG DEMO SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_HSTS_SECONDS"
    assert read(names, COMPLETE) == [True, False, False, True, True, 31_536_000]
    assert read(names, COMPLETE | {"DEBUG": "0", "DEMO": "0"}) == [True, False, False, True, True, 31_536_000]
    assert read(names, {"DEBUG": "1"}) == [False, True, False, False, False, 0]
    assert read(names, {"DEMO": "1"}) == [False, False, True, False, False, 0]


def test_keys_are_generated_only_outside_production() -> None:
    first, second = (read("SECRET_KEY JWT_SECRET", {"DEBUG": "1"}) for _ in range(2))
    assert first[0] != second[0] and len(first[0]) >= 50
    assert first[1] == ""


def test_an_identity_provider_alone_is_a_way_to_verify_tokens() -> None:
    environment = {name: value for name, value in COMPLETE.items() if name != "JWT_SECRET"}
    url = "https://id.example.om/realms/shop/protocol/openid-connect/certs"
    assert read("JWT_SECRET JWT_JWKS_URL", environment | {"JWT_JWKS_URL": url}) == ["", url]


def test_hosts_are_a_list_and_their_https_origins_trusted() -> None:
    assert read("ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS", COMPLETE) == [
        ["shop.example.om", ".sovereign.example.om"],
        ["https://shop.example.om", "https://*.sovereign.example.om"],
    ]
    given = COMPLETE | {"CSRF_TRUSTED_ORIGINS": "https://console.example.om"}
    assert read("CSRF_TRUSTED_ORIGINS", given) == [["https://console.example.om"]]


@pytest.mark.parametrize(
    ("given", "prefix"),
    [(None, "api/"), ("", ""), ("/", ""), ("api", "api/"), ("/v1/shop/", "v1/shop/")],
)
def test_the_api_root_may_be_anywhere(given: str | None, prefix: str) -> None:
    environment = COMPLETE | ({} if given is None else {"API_PREFIX": given})
    assert read("API_PREFIX", environment) == [prefix]


def test_the_api_root_cannot_be_one_of_the_services_own_paths() -> None:
    sentence = "The environment is not complete: API_PREFIX is a path of the service's own."
    for prefix in ("admin/", "checkout", "redeem", "account"):
        assert refusal(COMPLETE | {"API_PREFIX": prefix}) == sentence


def test_proxies_are_networks() -> None:
    given = COMPLETE | {"TRUSTED_PROXIES": "10.0.0.1/8, ::1,192.0.2.7"}
    assert read("TRUSTED_PROXIES", given) == [["10.0.0.0/8", "::1/128", "192.0.2.7/32"]]


def test_the_database_comes_from_the_url_with_every_wait_bounded() -> None:
    ((database,),) = ([each["default"] for each in read("DATABASES", COMPLETE | {"WEB_CONCURRENCY": "4"})],)
    options = database["OPTIONS"]
    assert {name: database[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        "NAME": "qasima",
        "USER": "qasima",
        "PASSWORD": "s@crt",
        "HOST": "db.example.om",
        "PORT": "6432",
    }
    assert (options["sslmode"], options["application_name"]) == ("require", "qasima")
    assert (options["prepare_threshold"], options["server_side_binding"]) == (5, True)
    assert options["options"] == (
        "-c TimeZone=UTC -c lock_timeout=5000 -c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000"
    )
    assert options["pool"] == {
        "connection_class": "<class 'config.parts.database.PooledConnection'>",
        "min_size": 2,
        "max_size": 15,
        "timeout": 5,
        "reconnect_timeout": 2,
    }
    assert (database["ATOMIC_REQUESTS"], database["CONN_HEALTH_CHECKS"]) == (False, True)


def test_session_options_in_the_url_win() -> None:
    url = "postgresql:///qasima?host=/run/postgresql&application_name=shop&options=-c%20lock_timeout%3D1s"
    ((database,),) = ([each["default"] for each in read("DATABASES", COMPLETE | {"DATABASE_URL": url})],)
    assert (database["HOST"], database["NAME"]) == ("/run/postgresql", "qasima")
    assert database["OPTIONS"]["application_name"] == "shop"
    assert database["OPTIONS"]["options"].endswith(" -c lock_timeout=1s")


def test_behind_a_pooler_nothing_relies_on_the_session() -> None:
    ((database,),) = ([each["default"] for each in read("DATABASES", COMPLETE | {"DATABASE_POOLER": "1"})],)
    assert database["OPTIONS"]["prepare_threshold"] is None
    assert "options" not in database["OPTIONS"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True


@pytest.mark.parametrize("redirect", ["0", "1"])
def test_a_complete_production_passes_djangos_own_check(redirect: str) -> None:
    code = (
        "import sys; from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'check', '--deploy', '--fail-level', 'WARNING'])"
    )
    done = run(code, COMPLETE | {"SECURE_SSL_REDIRECT": redirect})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("System check identified no issues")


def test_production_logs_json_without_headers_queries_or_bodies() -> None:
    code = """
import django
django.setup()
from django.test import Client
headers = {"Authorization": "Bearer TOPSECRET3", "Cookie": "sessionid=TOPSECRET4", "Host": "shop.example.om"}
body = '{"a": "TOPSECRET2"}'
Client().post("/api/nowhere?code=TOPSECRET1", body, content_type="application/json", headers=headers)
"""
    done = run(code, COMPLETE)
    assert done.returncode == 0, done.stderr
    assert "TOPSECRET" not in done.stderr
    (line,) = done.stderr.splitlines()
    event = json.loads(line)
    assert {name: event[name] for name in ("event", "request", "code", "ip", "level")} == {
        "event": "request_finished",
        "request": "POST /api/nowhere",
        "code": 404,
        "ip": "127.0.0.1",
        "level": "info",
    }
    assert len(event["request_id"]) == 36


@pytest.mark.parametrize(
    ("error", "status"), [('RuntimeError("it broke")', 500), ('django.db.OperationalError("it broke")', 503)]
)
def test_a_failure_is_logged_with_its_traceback_and_without_its_variables(error: str, status: int) -> None:
    code = f"""
import django
django.setup()
from django.test import Client
from config.web import pages
def landing(*args):
    password = "TOPSECRET"
    raise {error}
pages.render = landing
answer = Client(raise_request_exception=False).get("/", headers={{"Host": "shop.example.om"}})
print(answer.status_code, "TOPSECRET" in answer.content.decode())
"""
    done = run(code, COMPLETE)
    assert done.stdout == f"{status} False\n"
    events = [json.loads(line) for line in done.stderr.splitlines()]
    (failed,) = [event for event in events if event["event"] == "request_failed"]
    assert failed["code"] == status
    assert failed["exception"].endswith("Error: it broke")
    assert "= 'TOPSECRET'" not in done.stderr and "password: " not in done.stderr


def test_a_secret_may_come_from_a_file_and_may_begin_with_a_dollar_sign(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    environment = Environment({"JWT_SECRET_FILE": str(secret), "SECRET_KEY": "$JWT_SECRET"})

    assert environment.text("JWT_SECRET") == "from the file"
    assert environment.text("SECRET_KEY") == "$JWT_SECRET"
    environment.refuse_problems()


def test_a_secret_whose_file_is_missing_is_named() -> None:
    environment = Environment({"JWT_SECRET_FILE": "/nowhere/at/all", "JWT_SECRET": "not this one"})

    assert environment.text("JWT_SECRET") == ""
    with pytest.raises(ImproperlyConfigured, match="JWT_SECRET_FILE cannot be read"):
        environment.refuse_problems()
