from collections.abc import Mapping
from dataclasses import dataclass

from billing.actor import system_actor
from billing.models import User
from billing.use_cases.assign_role import assign_role
from promos.models import PromoCode
from promos.use_cases.issue_code import Terms, issue_code

VOUCHER = "AHLAN20"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    username: str
    role: str
    password: str


def seed_demo(*, staff: Mapping[str, str], password: str) -> list[DemoLogin]:
    """Staff logins and a voucher; for a demo Sovereign, never for a real one.

    Args: staff: user name → role.
    Transaction: joins. Idempotency: who and what is there already stays as it is; the password is set anew.
    """
    logins = []
    by = system_actor(channel="command", user_id="seed-demo")
    for username, role in staff.items():
        user, _ = User.objects.get_or_create(
            username=username,
            defaults={"sub": f"demo-{username}", "email": f"{username}@example.org", "is_staff": True},
        )
        user.set_password(password)
        user.save(update_fields=["password"])
        assign_role(user=user, role=role, by=by, reason="demo Sovereign")
        logins.append(DemoLogin(username=username, role=role, password=password))
    if not PromoCode.objects.filter(code=VOUCHER).exists():
        issue_code(
            code=VOUCHER,
            terms=Terms(credit_minor=20_000, description="Welcome: 20 to start with", max_redemptions=50),
            by=by,
            reason="demo Sovereign",
        )
    return logins
