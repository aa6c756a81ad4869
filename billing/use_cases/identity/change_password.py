from billing.actor import Actor
from billing.models import User
from billing.use_cases.identity.end_sessions import end_sessions
from billing.use_cases.record_audit import record_audit


def record_password_change(*, user: User, by: Actor) -> None:
    """Records that the user's password was changed, and ends all sessions, of which a thief may hold one.

    Transaction: joins that of the change.
    """
    end_sessions(user=user)
    record_audit(
        action="user.password_changed",
        object_type="user",
        object_id=str(user.pk),
        by=by,
        changes={"password": [None, "changed"]},
    )
