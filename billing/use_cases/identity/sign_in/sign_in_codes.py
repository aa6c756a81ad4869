"""Codes that prove an e-mail address.

The odds of guessing: a code is one of a million and ends with the fifth wrong attempt, so an attacker guesses one
code with a chance of 5 in 1,000,000. Each address gets at most 30 codes a day, whatever the number of clients. An
attack on one address that lasts all day succeeds with a chance of 150 in 1,000,000, and its owner sees 30 mails.

A code is not stored. It is derived from a random key in the database and from SECRET_KEY, so neither the database nor
the queue of jobs holds a code. A wrong code costs the same statements, commits and hashes at every address: one of a
user or of nobody, one that has a code or none.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from billing.actor import Actor
from billing.errors import MailNotConfigured, WrongCode
from billing.jobs import enqueue
from billing.language import requested_language
from billing.models import CODE_MAX_ATTEMPTS, SignInCode
from billing.use_cases.count_attempt import Limit, count_attempt, count_attempt_of_networks
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.sign_in.complete_sign_in import count_failed_sign_in
from billing.use_cases.mail.send_templated_mail import is_mail_configured, send_templated_mail
from billing.use_cases.record_audit import record_audit

CODE_DIGITS = 6
CODE_MINUTES = 5
ATTEMPTS_OF_CLIENT = Limit(scope="attempts at sign-in codes of a client", hits=10, seconds=60)
CODES_OF_CLIENT = Limit(scope="sign-in codes of a client", hits=30, seconds=60)
CODES_OF_ADDRESS = Limit(scope="sign-in codes of an address", hits=5, seconds=15 * 60)
CODES_OF_ADDRESS_A_DAY = Limit(scope="sign-in codes of an address in a day", hits=30, seconds=24 * 3600)
# Compared where an address has no code, so that the answer takes as long.
_NO_KEY = UUID(int=0)


def request_code(*, email: str, by: Actor, now: datetime | None = None) -> str:
    """Replaces the address's code by a new one, and queues the mail that carries it. Returns the address.

    Raises: InvalidAddress; MailNotConfigured; TooManyAttempts. Transaction: owns.
    """
    address = normalize_address(email)
    if not is_mail_configured():
        raise MailNotConfigured
    count_attempt_of_networks(CODES_OF_CLIENT, by.address)
    count_attempt(CODES_OF_ADDRESS, address)
    count_attempt(CODES_OF_ADDRESS_A_DAY, address)
    key = uuid4()
    code = SignInCode(email=address, key=key, expires_at=(now or timezone.now()) + timedelta(minutes=CODE_MINUTES))
    with transaction.atomic():
        SignInCode.objects.bulk_create(
            [code],
            update_conflicts=True,
            unique_fields=["email"],
            update_fields=["key", "wrong_attempts", "expires_at"],
        )
        enqueue("send_sign_in_code", key=str(key), language=requested_language())
    return address


def send_code(*, key: UUID, language: str = "") -> None:
    """Mails a code, unless it has been replaced or used, or has expired.

    Raises: any failure of the mail server; the job retries. Transaction: none.
    """
    code = SignInCode.objects.filter(key=key, expires_at__gt=timezone.now()).first()
    if code is None:
        return
    send_templated_mail(
        template="mail/sign_in_code.txt",
        context={"code": derive_code(code.key, code.email), "minutes": CODE_MINUTES},
        address=code.email,
        language=language,
    )


def use_code(*, email: str, code: str, by: Actor, now: datetime | None = None, keep: bool = False) -> str:
    """Uses up the code of an address, which proves the address. Returns the address.

    Args: keep: leaves a right code for one more use, because more than the code is needed.
    Raises: InvalidAddress; TooManyAttempts; WrongCode, also for an expired one.
    Locks: SignInCode. Transaction: owns.
    """
    address = normalize_address(email)
    count_attempt_of_networks(ATTEMPTS_OF_CLIENT, by.address)
    with transaction.atomic():
        # The attempt does not wait for the disk: only at an address with a code it would, which tells who has one. A
        # right code is followed by the transaction that opens a session, and that one waits for both.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        is_right = _check_code(address, code.strip(), by=by, now=now or timezone.now(), keep=keep)
    if not is_right:
        count_failed_sign_in("code")
        raise WrongCode
    return address


def derive_code(key: UUID, address: str) -> str:
    """Returns the code that belongs to a stored key."""
    digest = salted_hmac("sign-in code", f"{key} {address}", algorithm="sha256").digest()
    return f"{int.from_bytes(digest) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def _check_code(address: str, code: str, *, by: Actor, now: datetime, keep: bool) -> bool:
    """Tells whether this is the address's code, and uses it up or counts a wrong attempt."""
    # Races with other attempts at the same code: one of them uses it, and none is left uncounted.
    stored = SignInCode.objects.select_for_update(no_key=True).filter(email=address).first()
    expected = derive_code(stored.key if stored else _NO_KEY, address)
    is_right = constant_time_compare(code, expected) and stored is not None and stored.expires_at > now
    if stored is not None and is_right:
        if not keep:
            stored.delete()
    elif stored is not None and stored.wrong_attempts + 1 >= CODE_MAX_ATTEMPTS:
        record_audit(
            action="sign_in_code.guessed_at",
            object_type="sign_in_code",
            object_id=stored.email[:100],
            by=by,
            reason=f"{CODE_MAX_ATTEMPTS} wrong attempts ended the code",
        )
        stored.delete()
    else:
        # It runs, and counts nothing, also where the address has no code.
        SignInCode.objects.filter(email=address).update(wrong_attempts=F("wrong_attempts") + 1)
    return is_right
