"""Attacks on the rules of deployments, for test_constraints.py. The history's provision is completed."""

from tests.rules import ORDER, Attack, Attacks, inserting, organization

PLANNED = """'[{"name": "one", "status": "pending"}, {"name": "two", "status": "pending"}]'"""
WITHOUT_ONE = "DELETE FROM orders_provision"

PROVISION = {
    "order_id": ORDER,
    "organization_id": organization("acme"),
    "plan_id": "gen_random_uuid()",
    "apps": "'[]'",
    "subdomain": "'acme'",
    "steps": PLANNED,
}


def provision(**wrong: str) -> str:
    return inserting("orders_provision", PROVISION, **wrong)


JOB = {
    "organization_id": organization("acme"),
    "kind": "'install'",
    "app_id": "gen_random_uuid()",
    "app_slug": "'one'",
    "app_name": "'One'",
    "apps": "'[]'",
    "dep_choices": "'{}'",
    "steps": PLANNED,
}
UNSETTLED = {
    "organization_id": organization("acme"),
    "app_id": "'00000000-0000-0000-0000-000000000001'",
    "state": "'installing'",
    "job_id": "(SELECT id FROM orders_appjob)",
}
DEPENDENCY_USE = {
    "organization_id": organization("acme"),
    "app_id": "'00000000-0000-0000-0000-000000000001'",
    "service_id": "'00000000-0000-0000-0000-000000000002'",
}


def job(**wrong: str) -> str:
    return inserting("orders_appjob", JOB, **wrong)


def unsettled(**wrong: str) -> str:
    return inserting("orders_unsettledapp", UNSETTLED, **wrong)


def dependency_use(**wrong: str) -> str:
    return inserting("orders_dependencyuse", DEPENDENCY_USE, **wrong)


def changing(steps: str) -> Attack:
    """An UPDATE of the steps of a provision that is under way, with one completed step and one running."""
    started = """'[{"name": "one", "status": "completed"}, {"name": "two", "status": "running"}]'"""
    return Attack(
        f"UPDATE orders_provision SET steps = {steps}",
        [WITHOUT_ONE, provision(steps=started, status="'provisioning'")],
    )


ATTACKS: Attacks = {
    "orders_provision_status_known": [Attack(provision(status="'lost'"), [WITHOUT_ONE])],
    "orders_provision_transition_known": [
        "UPDATE orders_provision SET status = 'provisioning'",
        Attack("UPDATE orders_provision SET status = 'pending'", [WITHOUT_ONE, provision(status="'failed'")]),
    ],
    "orders_deployment_keeps_steps": [
        "UPDATE orders_provision SET steps = '[]'",
        changing("'[]'"),
        changing("""'[{"name": "one", "status": "completed"}]'"""),
        changing("""'[{"name": "two", "status": "completed"}, {"name": "one", "status": "completed"}]'"""),
        changing("""'[{"name": "one", "status": "running"}, {"name": "two", "status": "running"}]'"""),
        changing("""'[{"name": "one"}, {"name": "two", "status": "running"}]'"""),
    ],
    "orders_deployment_succeeds_with_all_steps": [
        job(status="'succeeded'"),
        Attack(provision(status="'completed'"), [WITHOUT_ONE]),
        Attack("UPDATE orders_provision SET status = 'completed'", [WITHOUT_ONE, provision()]),
    ],
    "orders_appjob_kind_known": [job(kind="'upgrade'")],
    "orders_appjob_status_known": [job(status="'completed'")],
    "orders_appjob_removal_names_services": [
        job(kind="'uninstall'"),
        job(kind="'uninstall'", purged_services="'[]'"),
        job(purged_services="'[]'"),
    ],
    "orders_appjob_transition_known": [
        Attack("UPDATE orders_appjob SET status = 'running'", [job(status="'succeeded'", steps="'[]'")]),
    ],
    "orders_dependencyuse_once": [
        Attack(dependency_use(dedicated_to="gen_random_uuid()"), [dependency_use()]),
    ],
    "orders_dependencyuse_of_another_app": [
        dependency_use(service_id="'00000000-0000-0000-0000-000000000001'"),
    ],
    "orders_unsettledapp_once": [Attack(unsettled(state="'failed'"), [job(), unsettled()])],
    "orders_unsettledapp_without_job_failed": [unsettled(job_id="NULL")],
    "orders_unsettledapp_state_known": [Attack(unsettled(state="'lost'"), [job()])],
}
