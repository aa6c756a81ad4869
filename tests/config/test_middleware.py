import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from billing.api.access.client_address import client_address
from billing.use_cases.count_attempt import Limit, limits_of_networks
from config.parts.environment import Environment
from config.web.middleware import ProxyMiddleware
from tests.config.test_settings import PROJECT

NOT_FOUND = {"error": "there is nothing at this address", "code": "not_found"}


def through_proxies(settings: Any, trusted: str, peer: str, **headers: str) -> tuple[str | None, str]:
    """The client's address and scheme, as the rest of the service sees them."""
    settings.TRUSTED_PROXIES = Environment({"P": trusted}).networks("P")
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    ProxyMiddleware(view)(request)
    assert "X-Forwarded-For" not in seen[0].headers
    assert "X-Forwarded-Proto" not in seen[0].headers
    return client_address(seen[0]), str(seen[0].scheme)


def test_no_proxy_is_trusted_unless_configured(settings: Any) -> None:
    forged = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
    assert through_proxies(settings, "", "192.0.2.7", **forged) == ("192.0.2.7", "http")
    assert through_proxies(settings, "10.0.0.0/8", "192.0.2.7", **forged) == ("192.0.2.7", "http")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, <script>, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "," * 2000, "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(
    settings: Any, peer: str, forwarded: str, client: str
) -> None:
    trusted = "10.0.0.0/8, fe80::/10"
    assert through_proxies(settings, trusted, peer, **{"X-Forwarded-For": forwarded}) == (client, "http")


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http"), ("http,https", "https")],
)
def test_https_is_read_from_the_nearest_proxy(settings: Any, proto: str, scheme: str) -> None:
    headers = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": proto}
    assert through_proxies(settings, "10.0.0.1", "10.0.0.1", **headers) == ("198.51.100.1", scheme)


@pytest.mark.parametrize("peer", ["", "unix:", "not an address"])
def test_a_peer_without_an_address_has_none(settings: Any, peer: str) -> None:
    headers = {"X-Forwarded-For": "198.51.100.1"}
    assert through_proxies(settings, "0.0.0.0/0", peer, **headers) == (None, "http")


def test_limits_count_ipv6_by_network() -> None:
    def counted(address: str) -> dict[str, int]:
        client = client_address(RequestFactory().get("/", REMOTE_ADDR=address))
        networks = limits_of_networks(Limit(scope="any", hits=10, seconds=60), client)
        return {network: limit.hits for network, limit in networks.items()}

    assert counted("192.0.2.7") == {"192.0.2.7": 10}
    assert counted("2001:db8:1:2:3:4:5:6") == {
        "2001:db8:1:2::/64": 10,
        "2001:db8:1::/56": 40,
        "2001:db8:1::/48": 160,
    }
    assert counted("") == {"": 10}


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nowhere", "/api/nowhere/", "/api/billing//balance", "/api/%00"]
)
def test_an_unknown_path_under_the_api_root_is_json(client: Client, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = client.generic(method, path)
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_path_elsewhere_is_a_page(client: Client) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Page not found" in answer.content.decode()


def test_djangos_pages_for_debug_do_not_reach_the_api(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    assert client.get("/api/nowhere").json() == NOT_FOUND


def test_an_unknown_host_is_refused_in_json(client: Client) -> None:
    answer = client.get("/api/catalog/plans", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "the request is malformed", "code": "bad_request"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/tenant/check-slug/acme", "/api/tenant/check-slug/acme/"])
def test_a_trailing_slash_does_not_matter(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/admin/login/?next=%00", "/api/catalog/plans?limit=%00", "/%00", "/?a\0=1"])
def test_a_nul_character_is_refused_everywhere(client: Client, path: str) -> None:
    assert client.get(path).status_code == 400


@pytest.mark.django_db
@pytest.mark.urls("tests.billing.api.probe")
def test_a_failure_outside_the_endpoints_is_json(settings: Any) -> None:
    settings.MIDDLEWARE = [*django_settings.MIDDLEWARE, "tests.config.test_middleware.failing_middleware"]
    answer = Client(raise_request_exception=False).post("/api/echo")
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "something went wrong on our side; we have logged it",
        "code": "internal_error",
    }


def failing_middleware(get_response: Any) -> Any:
    def fail(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("a detail that clients may not see")

    return fail


WITHOUT_PREFIX = """
import django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
for path in ["/", "/admin", "/admin/login/", "/static/nowhere", "/docs", "/schema", "/nowhere", "/nowhere/",
             "/account/nothing", "/redeem/nothing", "/accountant",
             "/catalog/plans/extra", "/api/catalog/plans", "/healthz"]:
    answer = client.get(path)
    print(path, answer.status_code, answer.headers["Content-Type"].split(";")[0])
"""


def test_the_api_root_may_be_the_servers_root() -> None:
    environment = {
        "PATH": "",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "API_PREFIX": "",
        "DEBUG": "1",
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFIX],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "/ 200 text/html",
        "/admin 301 text/html",
        "/admin/login/ 200 text/html",
        "/static/nowhere 404 text/html",
        "/docs 200 text/html",
        "/schema 200 application/vnd.oai.openapi",
        "/nowhere 404 application/json",
        "/nowhere/ 404 application/json",
        "/account/nothing 404 text/html",
        "/redeem/nothing 404 text/html",
        "/accountant 404 application/json",
        "/catalog/plans/extra 404 application/json",
        "/api/catalog/plans 404 application/json",
        "/healthz 200 application/json",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "script"),
    [("/", None), ("/nothing", None), ("/admin/login/", "'self' 'unsafe-eval'"), ("/api/docs", None)],
)
def test_every_page_has_a_content_security_policy(client: Client, path: str, script: str | None) -> None:
    sources = dict(part.split(" ", 1) for part in client.get(path).headers["Content-Security-Policy"].split("; "))
    assert (sources["default-src"], sources["object-src"], sources.get("script-src")) == ("'self'", "'none'", script)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/shop", "/redeem", "/accounts/login/", "/admin/login/", "/api/docs"]
)
def test_no_page_may_use_a_device(client: Client, path: str) -> None:
    devices = client.get(path).headers["Permissions-Policy"].split(", ")
    assert {"camera=()", "geolocation=()", "microphone=()", "payment=()", "usb=()"} <= set(devices)
    assert all(each.endswith("=()") for each in devices)


def test_json_has_no_policies_of_pages(client: Client) -> None:
    assert not {"Content-Security-Policy", "Permissions-Policy"} & set(client.get("/api/nothing").headers)
