"""Lists the open sessions of one user, and ends one: a browser on our pages, or a front end with a refresh token."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from billing.actor import Actor
from billing.errors import SessionNotFound
from billing.models import SignInSession, User
from billing.use_cases.record_audit import record_audit

MAX_SESSIONS = 100
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session that lasts. `program` and `address` are known of browsers, `method` of front ends."""

    id: str
    started_at: datetime
    used_at: datetime
    is_current: bool = False
    program: str = ""
    address: str = ""
    method: str = ""


def list_sessions(*, user: User, current_key: str = "") -> list[OpenSession]:
    """Returns the user's open sessions, the newest first.

    Args: current_key: the key of the session that asks, if a page does. Two queries.
    """
    now = timezone.now()
    lasting = Session.objects.filter(expire_date__gt=now).values("session_key")
    browsers = UserSession.objects.filter(user=user, session_key__in=lasting).order_by("-created_at")
    front_ends = SignInSession.objects.filter(user=user, ended_at=None, refreshtoken__expires_at__gt=now)
    found = [
        OpenSession(
            id=str(each.pk),
            started_at=each.created_at,
            used_at=each.last_seen_at,
            is_current=each.session_key == current_key,
            program=describe_program(each.user_agent),
            address=each.ip,
        )
        for each in browsers[:MAX_SESSIONS]
    ]
    found += [
        OpenSession(id=str(each.id), started_at=each.created_at, used_at=each.used_at, method=each.method)
        for each in front_ends.annotate(used_at=Max("refreshtoken__created_at")).order_by("-created_at")[
            :MAX_SESSIONS
        ]
    ]
    return sorted(found, key=lambda session: session.started_at, reverse=True)


def end_one_session(*, user: User, session_id: str, by: Actor) -> None:
    """Ends one of the user's sessions.

    Raises: SessionNotFound, also for another user's. Transaction: owns.
    """
    with transaction.atomic():
        if not (_end_browser(user, session_id) or _end_front_end(user, session_id)):
            raise SessionNotFound
        record_audit(action="user.session_ended", object_type="user", object_id=str(user.pk), by=by)


def describe_program(user_agent: str) -> str:
    """Names the browser and the system of a User-Agent header, such as `Firefox, Windows`; empty if unknown."""
    names = [next((name for mark, name in marks if mark in user_agent), "") for marks in (_BROWSERS, _SYSTEMS)]
    return ", ".join(filter(None, names))


def _end_browser(user: User, session_id: str) -> bool:
    is_number = session_id.isascii() and session_id.isdigit() and len(session_id) <= len(str(2**31))
    found = UserSession.objects.filter(user=user, pk=int(session_id)).first() if is_number else None
    if found is not None:
        found.end()
    return found is not None


def _end_front_end(user: User, session_id: str) -> bool:
    try:
        identity = UUID(session_id)
    except ValueError:
        return False
    open_ones = SignInSession.objects.filter(pk=identity, user=user, ended_at=None)
    return bool(open_ones.update(ended_at=timezone.now()))
