from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing.actor import Actor
from billing.models import SignInSession, User
from billing.use_cases.record_audit import record_audit


def end_sessions(*, user: User) -> None:
    """Ends all sessions of the user: those of the API with their tokens, and those of the pages.

    An access token of a customer stays valid until it expires, within minutes; one of staff is refused at once.
    Transaction: joins. The caller records the reason.
    """
    SignInSession.objects.filter(user=user, ended_at=None).update(ended_at=timezone.now())
    end_page_sessions(user=user)


def end_page_sessions(*, user: User) -> None:
    """Ends the user's sessions of the pages. Transaction: joins. The caller records the reason."""
    User.objects.filter(pk=user.pk).update(session_version=F("session_version") + 1)
    UserSession.objects.filter(user=user).delete()
    user.refresh_from_db(fields=["session_version"])


def sign_out_everywhere(*, user: User, by: Actor) -> None:
    """Ends all sessions of the user at the user's own request. Transaction: owns."""
    with transaction.atomic():
        end_sessions(user=user)
        record_audit(action="user.signed_out_everywhere", object_type="user", object_id=str(user.pk), by=by)
