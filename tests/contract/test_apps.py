"""An organization installs and removes apps: one job each, with what they need, and a state until the job ends."""

from typing import Any
from uuid import uuid4

import pytest

from billing.models import Customer
from orders import tasks
from orders.models import App, AppJob, OutboxEvent, Plan
from tests.factories import AppFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape, flag, text, texts
from .response_shapes import APP_CHANGE, JOB

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE = {"slug": text, "name": text}
PREVIEW = {
    "app_slug": text,
    "app_name": text,
    "installed": flag,
    "purged_services": [SERVICE],
    "retained_services": [SERVICE],
    "dependents": texts,
}


@pytest.fixture
def catalog(shop: None) -> None:
    """Ghost and Blog need MariaDB, as WordPress does; Chat needs plan l; Old is no longer deployable."""
    AppFactory.create(slug="ghost", dependencies=["mariadb"])
    AppFactory.create(slug="blog", dependencies=["mariadb"])
    AppFactory.create(slug="chat", minimum_size="l")
    AppFactory.create(slug="old", deployable=False)
    AppFactory.create(slug="gone", active=False)


@pytest.fixture
def live(catalog: None, checkout: Checkout, acme: str) -> str:
    """The id of Ada's organization, which bought plan m without apps and is active."""
    give_credit(Customer.objects.get(user_id="ada"), 50_000)
    tasks.provision_organization(checkout().body["order_id"])
    return acme


def ids(*slugs: str) -> list[str]:
    found = dict(App.objects.values_list("slug", "id"))
    return [str(found[slug]) for slug in slugs]


def install(caller: Caller, tenant: str, slug: str, **body: Any) -> Answer:
    return caller.post(f"tenant/orgs/{tenant}/apps", {"slug": slug, **body})


def remove(caller: Caller, tenant: str, slug: str, query: str = "") -> Answer:
    return caller.delete(f"tenant/orgs/{tenant}/apps/{slug}{query}")


def run_jobs() -> None:
    for job in AppJob.objects.filter(status="pending").order_by("created_at"):
        tasks.run_app_job(str(job.id))


def installed(caller: Caller, tenant: str, *slugs: str) -> None:
    """Install the apps, and let their jobs end."""
    for slug in slugs:
        assert install(caller, tenant, slug).body["status"] == "queued"
    run_jobs()


def test_an_app_is_installed_with_its_dependencies_by_one_job(ada: Caller, live: str) -> None:
    answer = install(ada, live, "wordpress")
    assert answer.status == 200
    assert_shape(answer.body, APP_CHANGE)
    both = ids("mariadb", "wordpress")
    assert answer.body == {
        "status": "queued",
        "apps": both,
        "app_states": dict.fromkeys(both, "installing"),
        "deployed": both,
    }
    organization = ada.get(f"tenant/orgs/{live}").body
    assert (organization["apps"], organization["app_states"]) == (both, dict.fromkeys(both, "installing"))
    [job] = ada.get(f"provisioning/jobs?tenant_id={live}").body
    assert_shape(job, JOB)
    assert (job["kind"], job["app_slug"], job["app_id"], job["app_name"]) == (
        "install",
        "wordpress",
        ids("wordpress")[0],
        "Wordpress",
    )
    assert (job["tenant_id"], job["tenant_slug"], job["status"], job["progress"]) == (live, "acme", "pending", 0)
    assert [step["name"] for step in job["steps"]][:2] == ["Deploying Mariadb", "Deploying Wordpress"]
    assert "purged_services" not in job


def test_the_apps_are_settled_when_the_job_has_ended(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress")
    organization = ada.get(f"tenant/orgs/{live}").body
    assert (organization["apps"], organization["app_states"]) == (ids("mariadb", "wordpress"), {})
    [job] = ada.get(f"provisioning/jobs?tenant_id={live}").body
    assert (job["status"], job["progress"]) == ("succeeded", 100)
    assert {step["status"] for step in job["steps"]} == {"completed"}


def test_a_dependency_that_is_there_is_shared(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress")
    answer = install(ada, live, "ghost")
    assert answer.body["deployed"] == ids("ghost")
    assert answer.body["app_states"] == dict.fromkeys(ids("ghost"), "installing")


def test_a_dependency_of_an_ordered_app_is_there_too(ada: Caller, live: str, checkout: Checkout) -> None:
    checkout(plan_id="l", apps=["wordpress"])
    answer = install(ada, live, "ghost")
    assert answer.body["deployed"] == ids("ghost")
    assert answer.body["apps"] == ids("wordpress", "mariadb", "ghost")


def test_an_order_for_a_running_organization_keeps_its_apps(ada: Caller, live: str, checkout: Checkout) -> None:
    installed(ada, live, "wordpress")
    both = ids("mariadb", "wordpress")
    checkout(plan_id="l", apps=["ghost", "wordpress"])
    assert ada.get(f"tenant/orgs/{live}").body["apps"] == [*both, *ids("ghost")]
    assert ada.get(f"provisioning/tenant/{live}").body["apps"] == ids("ghost", "wordpress")


def test_an_app_that_is_installed_or_being_installed_needs_no_second_job(ada: Caller, live: str) -> None:
    install(ada, live, "wordpress")
    for _ in range(2):
        with nothing_changes():
            answer = install(ada, live, "wordpress")
        assert (answer.status, answer.body["status"], answer.body["deployed"]) == (200, "already_installed", [])
        assert_shape(answer.body, APP_CHANGE)
        run_jobs()
    assert AppJob.objects.count() == 1


def test_an_app_that_cannot_be_installed_is_refused(ada: Caller, bob: Caller, bobs: str, live: str) -> None:
    with nothing_changes():
        assert_refused(install(ada, live, "old"), 400, "app_not_deployable")
        for slug in ("nope", "gone"):
            assert_refused(install(ada, live, slug), 404, "app_not_found")
        assert_refused(install(bob, live, "ghost"), 404, "tenant_not_found")
        assert_refused(install(bob, live, "ghost", dep_choices=5), 404, "tenant_not_found")
        assert_refused(install(bob, str(uuid4()), "ghost"), 404, "tenant_not_found")
        assert_refused(install(bob, bobs, "ghost"), 409, "organization_not_running")
        assert_refused(ada.post(f"tenant/orgs/{live}/apps", {}), 400, "invalid_request")


def test_a_plan_that_is_too_small_is_refused_with_a_suggestion(ada: Caller, live: str) -> None:
    with nothing_changes():
        answer = install(ada, live, "chat")
    assert (answer.status, answer.code, answer.body["upgrade_suggestion"]) == (409, "plan_too_small", "l")
    assert (
        answer.body["message"]
        == answer.body["error"]
        == "plan M is too small for Chat: it needs plan L or a larger one"
    )
    Plan.objects.filter(slug="l").update(active=False)
    assert install(ada, live, "chat").body["upgrade_suggestion"] == "xl"


def names(services: list[dict[str, Any]]) -> list[str]:
    return [service["name"] for service in services]


def preview(caller: Caller, tenant: str, slug: str) -> dict[str, Any]:
    return dict(caller.get(f"tenant/orgs/{tenant}/apps/{slug}/uninstall-preview").body)


def test_a_dedicated_dependency_belongs_to_its_app_alone(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress")
    assert install(ada, live, "ghost", dep_choices={"mariadb": "dedicated"}).body["deployed"] == ids("ghost")
    run_jobs()
    services = ada.get(f"tenant/orgs/{live}/backing-services").body["services"]
    assert names(services) == ["Mariadb", "Mariadb of Ghost"]
    assert len({service["id"] for service in services}) == len(services)
    mariadb = [{"slug": "mariadb", "name": "Mariadb"}]
    for slug in ("wordpress", "ghost"):
        shown = preview(ada, live, slug)
        assert (shown["purged_services"], shown["retained_services"]) == (mariadb, [])
    answer = remove(ada, live, "wordpress")
    assert answer.body["app_states"] == dict.fromkeys(ids("wordpress"), "uninstalling")
    run_jobs()
    assert ada.get(f"tenant/orgs/{live}").body["apps"] == ids("mariadb", "ghost")
    assert names(ada.get(f"tenant/orgs/{live}/backing-services").body["services"]) == ["Mariadb of Ghost"]
    # The shared one is gone, so the next app that shares brings it again.
    assert install(ada, live, "wordpress").body["deployed"] == ids("mariadb", "wordpress")


def test_an_app_may_use_the_dedicated_dependency_of_another(ada: Caller, live: str) -> None:
    both = ids("mariadb", "ghost")
    assert install(ada, live, "ghost", dep_choices={"mariadb": "dedicated"}).body["deployed"] == both
    assert install(ada, live, "wordpress", dep_choices={"mariadb": "ghost"}).body["deployed"] == ids("wordpress")
    run_jobs()
    assert names(ada.get(f"tenant/orgs/{live}/backing-services").body["services"]) == ["Mariadb of Ghost"]
    assert preview(ada, live, "ghost")["retained_services"] == [{"slug": "mariadb", "name": "Mariadb"}]
    remove(ada, live, "ghost")
    run_jobs()
    assert preview(ada, live, "wordpress")["purged_services"] == [{"slug": "mariadb", "name": "Mariadb"}]
    remove(ada, live, "wordpress")
    run_jobs()
    assert ada.get(f"tenant/orgs/{live}").body["apps"] == []
    assert ada.get(f"tenant/orgs/{live}/backing-services").body == {"services": []}


def test_a_dependency_that_was_removed_by_force_is_not_there(ada: Caller, live: str, checkout: Checkout) -> None:
    installed(ada, live, "wordpress", "ghost")
    remove(ada, live, "mariadb", "?force=true")
    run_jobs()
    assert ada.get(f"tenant/orgs/{live}/backing-services").body == {"services": []}
    assert remove(ada, live, "mariadb").body["status"] == "not_installed"
    with nothing_changes():
        answer = install(ada, live, "blog", dep_choices={"mariadb": "ghost"})
    assert_refused(answer, 400, "invalid_dependency_choice")
    assert install(ada, live, "blog").body["deployed"] == ids("mariadb", "blog")
    run_jobs()
    assert preview(ada, live, "mariadb")["dependents"] == ["Wordpress", "Ghost", "Blog"]
    remove(ada, live, "mariadb", "?force=true")
    run_jobs()
    tasks.provision_organization(checkout(plan_id="l", apps=["wordpress"]).body["order_id"])
    assert preview(ada, live, "mariadb")["installed"]


@pytest.mark.parametrize("choice", ["dedicated", "mariadb", "wordpress"])
def test_dependency_choices_are_recorded_for_the_provisioner(
    ada: Caller, live: str, choice: str, settings: Any
) -> None:
    installed(ada, live, "wordpress")
    settings.PROVISIONER = "external"
    assert install(ada, live, "ghost", dep_choices={"mariadb": choice}).body["deployed"] == ids("ghost")
    event = OutboxEvent.objects.get(type="app.install_requested")
    assert (event.topic, str(event.tenant_id)) == ("sme.provision.events", live)
    assert event.data["dep_choices"] == {"mariadb": choice}
    names = [step["name"] for step in event.data["steps"]]
    assert ("Deploying Mariadb" in names) is (choice == "dedicated")


@pytest.mark.parametrize("choices", [{"mariadb": "chat"}, {"redis": "dedicated"}, {"mariadb": "ghost"}])
def test_choices_that_make_no_sense_are_refused(ada: Caller, live: str, choices: dict[str, str]) -> None:
    with nothing_changes():
        answer = install(ada, live, "ghost", dep_choices=choices)
    assert_refused(answer, 400, "invalid_dependency_choice")
    assert list(answer.body["fields"]) == [f"dep_choices.{slug}" for slug in choices]


def test_an_app_is_removed_with_the_services_that_nothing_else_needs(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress")
    answer = remove(ada, live, "wordpress")
    assert answer.status == 200
    both = ids("mariadb", "wordpress")
    assert (answer.body["status"], answer.body["apps"]) == ("queued", both)
    assert answer.body["app_states"] == dict.fromkeys(both, "uninstalling")
    with nothing_changes():
        assert remove(ada, live, "wordpress").body == answer.body
        assert_refused(install(ada, live, "wordpress"), 409, "app_busy")
        assert_refused(install(ada, live, "ghost"), 409, "app_busy")
    run_jobs()
    organization = ada.get(f"tenant/orgs/{live}").body
    assert (organization["apps"], organization["app_states"]) == ([], {})
    job = ada.get(f"provisioning/jobs?tenant_id={live}").body[0]
    assert_shape(job, JOB)
    assert (job["kind"], job["status"]) == ("uninstall", "succeeded")
    assert job["purged_services"] == [{"slug": "mariadb", "name": "Mariadb"}]
    assert job["retained_services"] == []


def test_a_service_that_another_app_needs_is_retained(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress", "ghost")
    preview = ada.get(f"tenant/orgs/{live}/apps/ghost/uninstall-preview")
    assert preview.status == 200
    assert_shape(preview.body, PREVIEW)
    mariadb = {"slug": "mariadb", "name": "Mariadb"}
    assert preview.body == {
        "app_slug": "ghost",
        "app_name": "Ghost",
        "installed": True,
        "purged_services": [],
        "retained_services": [mariadb],
        "dependents": [],
    }
    assert remove(ada, live, "ghost").body["app_states"] == dict.fromkeys(ids("ghost"), "uninstalling")
    assert ada.get(f"tenant/orgs/{live}/apps/wordpress/uninstall-preview").body["purged_services"] == [mariadb]


def test_an_app_that_others_need_is_removed_only_by_force(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress", "ghost")
    names = ["Wordpress", "Ghost"]
    assert ada.get(f"tenant/orgs/{live}/apps/mariadb/uninstall-preview").body["dependents"] == names
    for query in ("", "?force=false"):
        with nothing_changes():
            answer = remove(ada, live, "mariadb", query)
        assert (answer.status, answer.code, answer.body["dependents"]) == (409, "app_has_dependents", names)
        assert answer.body["message"] == answer.body["error"] == "Mariadb is needed by Wordpress, Ghost"
    assert remove(ada, live, "mariadb", "?force=true").body["status"] == "queued"
    run_jobs()
    assert ada.get(f"tenant/orgs/{live}").body["apps"] == ids("wordpress", "ghost")


def test_an_app_that_is_not_installed_is_not_removed(ada: Caller, bob: Caller, live: str) -> None:
    with nothing_changes():
        answer = remove(ada, live, "ghost")
        assert (answer.status, answer.body["status"]) == (200, "not_installed")
        preview = ada.get(f"tenant/orgs/{live}/apps/ghost/uninstall-preview").body
        assert (preview["installed"], preview["purged_services"]) == (False, [])
        assert_refused(remove(ada, live, "nope"), 404, "app_not_found")
        assert_refused(ada.get(f"tenant/orgs/{live}/apps/nope/uninstall-preview"), 404, "app_not_found")
        assert_refused(remove(bob, live, "ghost"), 404, "tenant_not_found")
        assert_refused(bob.get(f"tenant/orgs/{live}/apps/ghost/uninstall-preview"), 404, "tenant_not_found")


def test_jobs_need_an_organization(ada: Caller, bob: Caller, live: str) -> None:
    installed(ada, live, "wordpress", "ghost")
    path = "provisioning/jobs"
    slugs = [job["app_slug"] for job in ada.get(f"{path}?tenant_id={live}").body]
    assert slugs == ["ghost", "wordpress"]
    assert [job["app_slug"] for job in ada.get(f"{path}?tenant_id={live}&limit=1").body] == ["ghost"]
    for query in ("", "?tenant_id=", "?tenant_id=x", f"?tenant_id={live}&limit=0", f"?tenant_id={live}&limit=201"):
        assert_refused(ada.get(path + query), 400, "invalid_request")
    assert ada.get(f"{path}?tenant_id={live}&limit=200").status == 200
    assert_refused(bob.get(f"{path}?tenant_id={live}"), 404, "tenant_not_found")


def test_without_a_report_the_backing_services_are_those_that_the_apps_need(ada: Caller, live: str) -> None:
    installed(ada, live, "wordpress")
    [service] = ada.get(f"tenant/orgs/{live}/backing-services").body["services"]
    assert (service["slug"], service["pod_status"]) == ("mariadb", "unknown")
    root = by_token("superadmin")
    assert root.get(f"tenant/admin/tenants/{live}/backing-services").body == {"services": [service]}
    assert_refused(root.get(f"tenant/admin/tenants/{uuid4()}/backing-services"), 404, "tenant_not_found")
    assert_refused(ada.get(f"tenant/admin/tenants/{live}/backing-services"), 403, "permission_denied")
