"""Staff logins, a voucher and a history: `python -m config.devtools.demo.seed` creates them and prints the logins.

The history needs the file of the Stripe sandbox as an argument: at a real Stripe, nobody pays in the past.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import django
from django.conf import settings
from django.db import transaction

VOUCHER = "AHLAN20"
BATCH = "SHOPS-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLogin:
    username: str
    role: str
    password: str


def seed_demo(*, staff: Mapping[str, str], password: str) -> list[DemoLogin]:
    """Creates staff logins, a voucher and a batch of cards in the demo's database.

    Args: staff: each user name with its role.
    Transaction: joins. Idempotency: existing users and the existing voucher stay; each password is set again.
    """
    # Models can be imported only after django.setup(), which main() calls.
    from billing.actor import system_actor  # noqa: PLC0415
    from billing.models import User  # noqa: PLC0415
    from billing.use_cases.assign_role import assign_role  # noqa: PLC0415
    from billing.use_cases.identity.users import vouch_for_address  # noqa: PLC0415
    from promos.models import PromoCode  # noqa: PLC0415
    from promos.use_cases.issue_code import Terms, issue_code  # noqa: PLC0415

    logins = []
    by = system_actor(channel="command", user_id="seed-demo")
    for username, role in staff.items():
        user, _ = User.objects.get_or_create(
            username=username,
            defaults={"sub": f"demo-{username}", "email": f"{username}@example.org", "is_staff": True},
        )
        user.set_password(password)
        user.save(update_fields=["password"])
        vouch_for_address(user=user)
        assign_role(user=user, role=role, by=by, reason="demo Sovereign")
        logins.append(DemoLogin(username=username, role=role, password=password))
    if not PromoCode.objects.filter(code=VOUCHER).exists():
        issue_code(
            code=VOUCHER,
            terms=Terms(credit_minor=20_000, description="Welcome: 20 to start with", max_redemptions=50),
            by=by,
            reason="demo Sovereign",
        )
    _seed_batch()
    return logins


def _seed_batch() -> None:
    """Makes a small batch of cards that can be redeemed, unless it exists."""
    from billing.actor import system_actor  # noqa: PLC0415
    from promos.models import Batch  # noqa: PLC0415
    from promos.use_cases.approvals.approve_batch import approve_batch  # noqa: PLC0415
    from promos.use_cases.cards import change_batch  # noqa: PLC0415
    from promos.use_cases.cards.create_batch import BatchTerms, create_batch  # noqa: PLC0415
    from promos.use_cases.cards.generate_cards import generate_cards  # noqa: PLC0415

    if Batch.objects.filter(promo_code__code=BATCH).exists():
        return
    by, why = system_actor(channel="command", user_id="seed-demo"), "demo Sovereign"
    approver = system_actor(channel="command", user_id="seed-demo-approver")
    terms = BatchTerms(name=BATCH, credit_minor=5_000, size=20, pattern="####-####-####", description="Card of 5")
    batch = create_batch(terms=terms, by=by, reason=why)
    approve_batch(batch=batch, by=approver, reason=why)
    generate_cards(batch_id=batch.id)
    change_batch.release_batch(batch=batch, by=by, reason=why)
    change_batch.activate_batch(batch=batch, by=by, reason=why)


def main() -> None:
    """Create and print them, unless the settings are production's."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    if settings.PRODUCTION:
        sys.exit("Demo logins are not for production.")
    if len(sys.argv) > 1:
        # It imports models, as seed_demo() does.
        from config.devtools.demo.history.write_history import write_history  # noqa: PLC0415

        write_history(state=Path(sys.argv[1]))
    with transaction.atomic():
        logins = seed_demo(staff=settings.DEMO_LOGINS, password=settings.DEMO_PASSWORD or "demo")
    for login in logins:
        print(f"  {login.role:<16} {login.username} / {login.password}")
    print(f"  a voucher        {VOUCHER}")


if __name__ == "__main__":
    main()
