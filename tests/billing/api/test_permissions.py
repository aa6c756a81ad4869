import pytest
from django.test import Client

from tests.billing.api.conftest import bearer

pytestmark = pytest.mark.urls("tests.billing.api.probe")

DENIED = {"error": "your role does not allow this", "code": "permission_denied"}


@pytest.mark.parametrize(
    ("role", "read", "write", "superadmins"),
    [
        ("superadmin", 200, 200, 200),
        ("sovereign-admin", 200, 200, 403),
        ("auditor", 200, 403, 403),
        ("customer", 403, 403, 403),
    ],
)
def test_each_role_may_do_exactly_the_actions_of_the_view(
    api: Client, role: str, read: int, write: int, superadmins: int
) -> None:
    headers = bearer(role=role)
    answers = {
        read: api.get("/api/vouchers", headers=headers),
        superadmins: api.get("/api/superadmins", headers=headers),
        write: api.post("/api/vouchers", {}, content_type="application/json", headers=headers),
    }
    assert api.get("/api/vouchers", headers=headers).status_code == read
    for status, answer in answers.items():
        assert answer.status_code == status
        assert (answer.json() == DENIED) == (status == 403)


def test_without_identity_it_is_401_and_not_403(api: Client) -> None:
    assert api.get("/api/vouchers").status_code == 401
    assert api.post("/api/vouchers", "{", content_type="application/json").status_code == 401
