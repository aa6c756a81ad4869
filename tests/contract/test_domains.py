"""An organization's domains: its own address, and the domains that it adds."""

from uuid import uuid4

import pytest

from billing.models import AuditEntry, Organization, OrganizationMember
from orders.models import Domain
from tests.orders.domains.name_server import NameServer
from tests.snapshot import nothing_changes

from .api_client import Caller, by_token
from .conftest import Checkout
from .domain_calls import DOMAIN, SHOP, TARGET, add, added, announced, verify
from .json_shapes import assert_refused, assert_shape, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("name_server")
class TestLists:
    def test_the_own_address_is_listed(self, ada: Caller, acme: str) -> None:
        answer = ada.get(f"domain/list?tenant_id={acme}")
        assert answer.status == 200
        assert_shape(answer.body, [DOMAIN])
        [own] = answer.body
        assert (own["tenant_id"], own["type"], own["domain"]) == (acme, "subdomain", TARGET)
        assert (own["subdomain"], own["tld"]) == ("acme", "sovereign.example")
        assert (own["dns_status"], own["tls_ready"]) == ("pending", False)
        assert ada.get(f"domain/domains/{acme}").body == answer.body

    def test_the_own_address_of_a_live_organization_is_verified(self, checkout: Checkout, ada: Caller) -> None:
        tenant = ada.get("tenant/orgs").body[0]["id"]
        Organization.objects.update(status="provisioning")
        Organization.objects.update(status="active")
        [own] = ada.get(f"domain/list?tenant_id={tenant}").body
        assert (own["dns_status"], own["tls_ready"]) == ("verified", True)

    def test_pages_follow_each_other(self, ada: Caller, acme: str) -> None:
        for number in range(3):
            added(ada, acme, f"shop{number}.example.com")
        whole = ada.get(f"domain/list?tenant_id={acme}").body
        assert [each["domain"] for each in whole] == [TARGET, *(f"shop{n}.example.com" for n in (2, 1, 0))]
        path: str = f"/api/domain/list?tenant_id={acme}&limit=3"
        first = ada.get(path)
        link = first.headers["Link"].split(">")[0].removeprefix("<http://testserver")
        assert first.body + ada.get(link).body == whole
        assert_refused(ada.get(f"domain/list?tenant_id={acme}&limit=0"), 400, "invalid_limit")

    def test_a_list_names_its_organization(self, ada: Caller, acme: str) -> None:
        assert_refused(ada.get("domain/list"), 400, "invalid_request", "tenant_id")
        assert_refused(ada.get("domain/list?tenant_id=nonsense"), 404, "tenant_not_found")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("shop.example.com", "shop.example.com"),
        ("  Shop.EXAMPLE.com. ", "shop.example.com"),
        ("m\u00fcnchen.example.com", "xn--mnchen-3ya.example.com"),
        ("XN--mnchen-3ya.example.com", "xn--mnchen-3ya.example.com"),
        ("\u0645\u062a\u062c\u0631.\u0639\u0645\u0627\u0646", "xn--pgbep1f.xn--mgb9awbf"),
        ("example.com", "example.com"),
    ],
)
def test_a_domain_is_added_in_one_form(
    ada: Caller,
    acme: str,
    name_server: NameServer,
    written: str,
    stored: str,
) -> None:
    name_server.add("example.com", "NS", "ada.ns.cloudflare.com")
    answer = add(ada, acme, written)
    assert answer.status == 201, answer.content
    assert_shape(answer.body, {**DOMAIN, "cname_target": text, "instructions": text})
    assert (answer.body["domain"], answer.body["cname_target"]) == (stored, TARGET)
    assert answer.body["registrar"] == ("Cloudflare" if stored.endswith("example.com") else "")
    assert TARGET in answer.body["instructions"] and stored in answer.body["instructions"]
    assert (answer.body["dns_status"], answer.body["tls_ready"], answer.body["type"]) == ("pending", False, "byod")
    listed = ada.get(f"domain/domains/{acme}").body[1]
    assert listed == {name: answer.body[name] for name in DOMAIN}
    assert announced() == [("domain.added", stored)]
    [entry] = AuditEntry.objects.filter(object_type="domain")
    assert (entry.action, entry.actor_id, entry.changes) == ("domain.added", "ada", {"name": [None, stored]})


@pytest.mark.usefixtures("name_server")
def test_a_domain_is_added_once(ada: Caller, acme: str) -> None:
    added(ada, acme)
    with nothing_changes():
        assert_refused(add(ada, acme, "SHOP.example.com"), 409, "domain_added")


@pytest.mark.usefixtures("name_server")
def test_an_organization_has_a_limited_number_of_domains(ada: Caller, acme: str) -> None:
    Domain.objects.bulk_create(Domain(organization_id=acme, name=f"a{n}.example.com") for n in range(50))
    assert_refused(add(ada, acme), 409, "too_many_domains")


@pytest.mark.usefixtures("name_server")
def test_a_domain_is_removed(ada: Caller, acme: str) -> None:
    domain_id = added(ada, acme)
    answer = ada.delete(f"domain/domains/{domain_id}")
    assert (answer.status, answer.body) == (200, {"ok": True, "status": "removed"})
    assert len(ada.get(f"domain/domains/{acme}").body) == 1
    assert announced()[-1] == ("domain.removed", SHOP)
    with nothing_changes():
        assert_refused(ada.delete(f"domain/domains/{domain_id}"), 404, "domain_not_found")
        assert_refused(ada.post(f"domain/verify/{domain_id}"), 404, "domain_not_found")
    added(ada, acme)


@pytest.mark.usefixtures("name_server")
def test_the_own_address_stays_and_needs_no_record(ada: Caller, acme: str) -> None:
    with nothing_changes():
        assert_refused(ada.delete(f"domain/domains/{acme}"), 409, "own_address_stays")
        answer = verify(ada, acme)
    assert (answer["id"], answer["domain"], answer["dns_status"]) == (acme, TARGET, "pending")


@pytest.mark.usefixtures("name_server")
def test_a_deleted_organization_has_no_domains(ada: Caller, acme: str, bob: Caller, bobs: str) -> None:
    domain_id = added(ada, acme)
    assert ada.delete(f"tenant/orgs/{acme}").status == 200
    assert announced()[-1] == ("domain.removed", SHOP)
    assert not Domain.objects.filter(id=domain_id).exists()
    assert_refused(ada.get(f"domain/domains/{acme}"), 404, "tenant_not_found")
    added(bob, bobs)


@pytest.mark.usefixtures("name_server")
@pytest.mark.parametrize("role", ["", "viewer", "member", "admin"])
def test_members_do_what_their_role_allows(ada: Caller, acme: str, role: str) -> None:
    domain_id = added(ada, acme)
    eve = by_token("customer", "eve")
    if role:
        OrganizationMember.objects.create(organization_id=acme, email="eve@example.org", role=role)
    reads = [eve.get(f"domain/list?tenant_id={acme}"), eve.get(f"domain/domains/{acme}")]
    if role == "admin":
        assert verify(eve, domain_id)["id"] == domain_id
        assert add(eve, acme, "other.example.com").status == 201
        assert eve.delete(f"domain/domains/{domain_id}").status == 200
    else:
        status = 403 if role else 404
        changes = [
            eve.post(f"domain/verify/{domain_id}"),
            eve.delete(f"domain/domains/{domain_id}"),
            eve.post(f"domain/verify/{acme}"),
            eve.delete(f"domain/domains/{acme}"),
            add(eve, acme, "other.example.com"),
        ]
        assert [each.status for each in changes] == [status] * 5
    assert [each.status for each in reads] == ([200, 200] if role else [404, 404])


@pytest.mark.usefixtures("name_server")
def test_a_stranger_finds_nothing(ada: Caller, acme: str, bob: Caller, root: Caller) -> None:
    domain_id = added(ada, acme)
    with nothing_changes():
        for caller in (bob, root):
            for wrong in (domain_id, acme, str(uuid4()), "nonsense"):
                assert_refused(caller.post(f"domain/verify/{wrong}"), 404, "domain_not_found")
                assert_refused(caller.delete(f"domain/domains/{wrong}"), 404, "domain_not_found")
                assert_refused(caller.get(f"domain/domains/{wrong}"), 404, "tenant_not_found")
            assert_refused(add(caller, acme), 404, "tenant_not_found")
            assert_refused(caller.get(f"domain/list?tenant_id={acme}"), 404, "tenant_not_found")


@pytest.mark.parametrize(
    ("subdomain", "tld", "available"),
    [
        ("bakery", "sovereign.example", True),
        ("bakery", "Sovereign.Example", True),
        ("acme", "sovereign.example", False),
        ("www", "sovereign.example", False),
        ("x", "sovereign.example", False),
        ("Bakery", "sovereign.example", False),
        ("bakery", "example.com", False),
    ],
)
def test_an_address_is_checked(acme: str, anybody: Caller, subdomain: str, tld: str, available: bool) -> None:
    answer = anybody.get(f"domain/check/{subdomain}/{tld}")
    assert (answer.status, answer.body) == (
        200,
        {"subdomain": subdomain, "tld": tld, "domain": f"{subdomain}.{tld}", "available": available},
    )
