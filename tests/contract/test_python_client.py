"""A typed Python client, generated from the API's description, is used as its user would use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.billing.api.conftest import bearer
from tests.factories import PromoCodeFactory

from .test_compatibility import described_api

pytestmark = pytest.mark.django_db(transaction=True)

USE = """
import sys
from http import HTTPStatus

from client import AuthenticatedClient, Client
from client.api.checkout import billing_checkout_create
from client.api.credit import billing_balance_retrieve, billing_vouchers_redeem_create
from client.api.organizations import tenant_orgs_create
from client.api.vouchers import billing_vouchers_redeem_preview_create
from client.models import (
    Balance, CheckoutAnswer, CheckoutRequest, CodeRequest, Error, NewOrganizationRequest, Organization, Preview,
    TopUpAnswer,
)

anybody, customer = Client(sys.argv[1]), AuthenticatedClient(sys.argv[1], sys.argv[2])

preview = billing_vouchers_redeem_preview_create.sync(client=anybody, body=CodeRequest("gift"))
assert isinstance(preview, Preview) and preview.credit_minor == 30_000, preview
unknown = billing_vouchers_redeem_preview_create.sync_detailed(client=anybody, body=CodeRequest("nothing"))
assert unknown.status_code == HTTPStatus.NOT_FOUND
assert isinstance(unknown.parsed, Error) and unknown.parsed.code == "promo_not_found", unknown
organization = tenant_orgs_create.sync(client=customer, body=NewOrganizationRequest(slug="acme", name="Acme"))
assert isinstance(organization, Organization), organization
order = CheckoutRequest(tenant_id=organization.id, plan_id="m", promo_code="GIFT")
placed = billing_checkout_create.sync(client=customer, body=order, idempotency_key="one")
assert isinstance(placed, CheckoutAnswer) and placed.paid_by_credit is True, placed
again = billing_checkout_create.sync(client=customer, body=order, idempotency_key="one")
assert isinstance(again, CheckoutAnswer) and again.order_id == placed.order_id
refused = billing_vouchers_redeem_create.sync(client=customer, body=CodeRequest("GIFT"))
assert isinstance(refused, Error) and refused.code == "promo_already_redeemed", refused
topped_up = billing_vouchers_redeem_create.sync(client=customer, body=CodeRequest("MORE"))
assert isinstance(topped_up, TopUpAnswer) and topped_up.credit_balance_minor == 26_000, topped_up
balance = billing_balance_retrieve.sync(client=customer)
assert isinstance(balance, Balance) and len(balance.entries) == 3, balance
"""


def test_a_generated_client_works_and_its_types_fit(shop: None, live_server: LiveServer, tmp_path: Path) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=30_000)
    PromoCodeFactory.create(code="MORE", credit_minor=5_000)
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(described_api()))
    programs = Path(sys.executable).parent
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    generator = programs / "openapi-python-client"
    (tmp_path / "config.yaml").write_text('content_type_overrides: {"application/pdf": "application/octet-stream"}')
    generate = (generator, "generate", "--path", description, "--config", "config.yaml", "--output-path", "client")
    run(*generate, "--meta", "none", "--fail-on-warning")
    (tmp_path / "use.py").write_text(USE)
    run(programs / "mypy", "--strict", "--follow-imports=silent", "use.py")
    run(sys.executable, "use.py", live_server.url, bearer(sub="ada")["Authorization"].split()[1])
