"""Attacks on the rules of domains, for test_constraints.py."""

from tests.rules import Attack, Attacks, inserting, organization

VALID_DOMAIN = {"organization_id": organization("acme"), "name": "'shop.example.com'", "status": "'verified'"}


def domain(**wrong: str) -> str:
    return inserting("orders_domain", VALID_DOMAIN, **wrong)


DOMAINS: Attacks = {
    "orders_domain_once_per_organization": [Attack(domain(status="'pending'"), [domain()])],
    "orders_domain_verified_once": [Attack(domain(organization_id=organization("bobs")), [domain()])],
    "orders_domain_status_known": [domain(status="'lost'"), domain(status="''")],
    "orders_domain_name_form": [
        domain(name=name)
        for name in (
            "''",
            "'localhost'",
            "'Shop.example.com'",
            "'shop.example.com.'",
            "'.example.com'",
            "'shop..example.com'",
            "'-shop.example.com'",
            "'shop-.example.com'",
            "'*.example.com'",
            "'sh op.example.com'",
            "'192.0.2.1'",
            "E'shop.example.com\\n'",
            "'caf\u00e9.example.com'",
        )
    ],
    "orders_domain_transition_known": [
        Attack("UPDATE orders_domain SET status = 'pending'", [domain()]),
        Attack("UPDATE orders_domain SET status = 'lost'", [domain()]),
    ],
}
