from dataclasses import dataclass

from django.contrib.auth.models import Group

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN, system_actor
from billing.models import User
from promos.models import PromoCode
from promos.use_cases.issue_code import Terms, issue_code

VOUCHER = "AHLAN20"
_STAFF = (("admin", SUPERADMIN), ("noor", SOVEREIGN_ADMIN), ("salim", AUDITOR))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    username: str
    role: str
    password: str


def seed_demo(*, password: str) -> list[DemoLogin]:
    """One staff login for each role, and a voucher; for a demo Sovereign, never for a real one.

    Transaction: joins. Idempotency: who and what is there already stays as it is; the password is set anew.
    """
    logins = []
    for username, role in _STAFF:
        user, _ = User.objects.get_or_create(
            username=username,
            defaults={"sub": f"demo-{username}", "email": f"{username}@example.org", "is_staff": True},
        )
        user.set_password(password)
        user.save(update_fields=["password"])
        user.groups.set([Group.objects.get_or_create(name=role)[0]])
        logins.append(DemoLogin(username=username, role=role, password=password))
    if not PromoCode.objects.filter(code=VOUCHER).exists():
        issue_code(
            code=VOUCHER,
            terms=Terms(credit_minor=20_000, description="Welcome: 20 to start with", max_redemptions=50),
            by=system_actor(channel="command", user_id="seed-demo"),
            reason="demo Sovereign",
        )
    return logins
