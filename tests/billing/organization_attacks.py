"""Attacks on the rules of organizations and their members, for test_constraints.py."""

from tests.rules import Attack, Attacks, customer, inserting, organization

VALID_ORGANIZATION = {
    "customer_id": customer("ada"),
    "slug": "'free'",
    "name": "'Free'",
    "apps": "'[]'",
    "addons": "'[]'",
}
VALID_MEMBER = {
    "organization_id": organization("acme"),
    "customer_id": customer("bob"),
    "email": "'bob@example.org'",
    "role": "'viewer'",
}


def organization_row(**wrong: str) -> str:
    return inserting("billing_organization", VALID_ORGANIZATION, **wrong)


def member(**wrong: str) -> str:
    return inserting("billing_organizationmember", VALID_MEMBER, **wrong)


ORGANIZATIONS: Attacks = {
    "billing_organization_slug_once": [organization_row(slug="'acme'")],
    "billing_organization_vat_number_form": [
        "UPDATE billing_organization SET vat_number = 'om1100000000'",
        "UPDATE billing_organization SET vat_number = 'OM1'",
        "UPDATE billing_organization SET vat_number = E'OM1100000000\n'",
    ],
    "billing_organization_slug_form": [
        organization_row(slug=slug)
        for slug in ("'ab'", "'Acme'", "'1abc'", "'-abc'", "'a_b_c'", "'a b c'", "''", "E'abc\\n'", "'caf\u00e9'")
    ],
    "billing_organization_status_known": [organization_row(status="'lost'"), organization_row(status="''")],
    "billing_organization_deleted_at_fits": [
        "UPDATE billing_organization SET status = 'deleted' WHERE slug = 'acme'",
        "UPDATE billing_organization SET deleted_at = now() WHERE slug = 'acme'",
        organization_row(status="'deleted'"),
    ],
    "billing_organization_staff_suspension_fits": [
        "UPDATE billing_organization SET suspended_by_staff = true WHERE slug = 'acme'",
        organization_row(suspended_by_staff="true"),
    ],
    "billing_organization_transition_known": [
        "UPDATE billing_organization SET status = 'active' WHERE slug = 'gone'",
        "UPDATE billing_organization SET status = 'active', deleted_at = NULL WHERE slug = 'gone'",
        "UPDATE billing_organization SET status = 'lost' WHERE slug = 'acme'",
    ],
    "billing_organizationmember_email_once": [Attack(member(customer_id="NULL"), [member()])],
    "billing_organizationmember_customer_once": [Attack(member(email="'other@example.org'"), [member()])],
    "billing_organizationmember_email_given": [member(email="''")],
    "billing_organizationmember_email_lower": [member(email="'Bob@example.org'")],
    "billing_organizationmember_role_known": [member(role="'owner'"), member(role="''")],
    "billing_organizationmember_not_owner": [
        member(customer_id=customer("ada")),
        Attack(f"UPDATE billing_organizationmember SET customer_id = {customer('ada')}", [member()]),
    ],
}
