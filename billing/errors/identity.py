"""Refusals of signing in."""

from .base import DomainError


class InvalidAddress(DomainError):
    code = "invalid_request"
    message = "email: enter an e-mail address"


class MailNotConfigured(DomainError):
    code = "mail_not_configured"
    status = 503
    message = "this service cannot send mail"


class SignInRefused(DomainError):
    """The proof of an identity is wrong. Every 401 of signing in is one of these."""

    code = "sign_in_refused"
    status = 401
    message = "signing in failed"


class WrongCode(SignInRefused):
    code = "wrong_code"
    message = "this code is wrong or has expired"


class WrongPassword(SignInRefused):
    code = "wrong_credentials"
    message = "the e-mail address or the password is wrong"


class SecondFactorRequired(SignInRefused):
    code = "second_factor_required"
    message = "enter the code of your authenticator app"


class WrongSecondFactor(SignInRefused):
    code = "wrong_second_factor"
    message = "this code of your authenticator app is wrong"


class InvalidRefreshToken(SignInRefused):
    code = "invalid_refresh_token"
    message = "the session has ended: sign in again"


class SessionNotFound(DomainError):
    code = "session_not_found"
    status = 404
    message = "this session has ended already"


class InvalidUnsubscribeLink(DomainError):
    code = "invalid_unsubscribe_link"
    status = 404
    message = "this link is not complete: copy it from the mail again"


class ProviderNotConfigured(DomainError):
    code = "not_configured"
    status = 404
    message = "this service has no identity provider to sign in with"


class ProviderRefused(DomainError):
    code = "provider_refused"
    message = "the identity provider did not confirm this sign-in: start again"


class ProviderUnavailable(DomainError):
    code = "identity_provider_unavailable"
    status = 503
    message = "the identity provider cannot be reached: try again"


class RedirectNotAllowed(DomainError):
    code = "redirect_not_allowed"
    message = "redirect_uri: signing in cannot lead to this address"
