from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing.actor import Actor, is_user_id
from billing.errors import InvalidAddress, ProviderRefused
from billing.models import ProviderAccount, SignInSession, User
from billing.oidc import Identity, check_redirect, redeem_code
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.sessions import Tokens
from billing.use_cases.identity.sign_in.complete_sign_in import sign_in_to_api
from billing.use_cases.identity.users import create_user, ensure_user

_MAX_URL_LENGTH = 500
_MAX_NAME_LENGTH = 150


def sign_in_with_provider(*, code: str, redirect_uri: str, by: Actor) -> Tokens:
    """Signs in to the API with the code of an OpenID Connect provider.

    Raises: ProviderNotConfigured; RedirectNotAllowed; ProviderRefused; ProviderUnavailable. Transaction: owns.
    """
    check_redirect(redirect_uri)
    user = prove_by_provider(redeem_code(code=code, redirect_uri=redirect_uri), by=by)
    return sign_in_to_api(user=user, method=SignInSession.Method.PROVIDER, by=by)


def prove_by_provider(identity: Identity, *, by: Actor) -> User:
    """Returns the user of an identity that the provider has proved.

    The provider's id decides; then an address that the provider calls verified; else this is a new customer. An
    unverified address never leads to a user who exists.

    Raises: ProviderRefused if the user may not sign in, or the provider names no address. Transaction: owns.
    Idempotency: concurrent first sign-ins of one identity lead to one user.
    """
    with transaction.atomic():
        account = ProviderAccount.objects.filter(issuer=identity.issuer, subject=identity.subject)
        known = account.select_related("user").first()
        user = known.user if known else _find_or_create(identity, by=by)
        if known is None:
            # Races with another first sign-in of the same identity: the first one decides.
            ProviderAccount.objects.bulk_create(
                [ProviderAccount(user=user, issuer=identity.issuer, subject=identity.subject)], ignore_conflicts=True
            )
            user = account.select_related("user").get().user
        _update_profile(user, identity)
    if not user.is_active:
        raise ProviderRefused
    return user


def _find_or_create(identity: Identity, *, by: Actor) -> User:
    # The platform's own provider signs tokens too: both ways then lead to the same customer.
    sub = identity.subject if settings.JWT_ISSUER == identity.issuer and is_user_id(identity.subject) else ""
    same = User.objects.filter(sub=sub).first() if sub else None
    if same is not None:
        return same
    try:
        address = normalize_address(identity.address)
    except InvalidAddress as error:
        raise ProviderRefused("the provider names no e-mail address") from error
    if identity.address_verified:
        return ensure_user(address=address, sub=sub, by=by)
    return create_user(address=address, is_verified=False, sub=sub or str(uuid4()), by=by)


def _update_profile(user: User, identity: Identity) -> None:
    picture = identity.picture if identity.picture.startswith("https://") else ""
    name = identity.name[:_MAX_NAME_LENGTH] or user.first_name
    picture = picture if len(picture) <= _MAX_URL_LENGTH else ""
    if (user.get_full_name(), user.avatar_url) == (name, picture) or user.last_name:
        return
    user.first_name, user.avatar_url, user.updated_at = name, picture, timezone.now()
    user.save(update_fields=["first_name", "avatar_url", "updated_at"])
