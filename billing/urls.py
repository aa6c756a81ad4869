from django.urls import path

from .api import credit, processor_settings, proposals, revenue
from .api.bulk import bulk_grants
from .api.identity import mail_choices, own_sessions, provider, sessions, sign_in

urlpatterns = [
    path("billing/balance", credit.BalanceView.as_view()),
    path("billing/balance/entries", credit.EntriesView.as_view()),
    path("billing/admin/revenue", revenue.RevenueView.as_view()),
    path("billing/admin/settings", processor_settings.ProcessorSettingsView.as_view()),
    path("billing/grants", bulk_grants.BulkGrantsView.as_view()),
    path("billing/grants/check", bulk_grants.CheckBulkGrantView.as_view()),
    path("billing/grants/<uuid:grant_id>", bulk_grants.BulkGrantView.as_view()),
    path("billing/grants/<uuid:grant_id>/rows", bulk_grants.BulkGrantRowsView.as_view()),
    path("billing/grants/<uuid:grant_id>/start", bulk_grants.StartBulkGrantView.as_view()),
    path("billing/grants/<uuid:grant_id>/undo", bulk_grants.UndoBulkGrantView.as_view()),
    path("billing/grants/<uuid:grant_id>/discard", bulk_grants.DiscardBulkGrantView.as_view()),
    path("billing/proposals", proposals.ProposalsView.as_view()),
    path("billing/proposals/<str:proposal_id>", proposals.ProposalView.as_view()),
    path("billing/proposals/<str:proposal_id>/approve", proposals.ApproveView.as_view()),
    path("billing/proposals/<str:proposal_id>/reject", proposals.RejectView.as_view()),
    path("billing/proposals/<str:proposal_id>/withdraw", proposals.WithdrawView.as_view()),
    path("auth/magic-link", sign_in.MagicLinkView.as_view()),
    path("auth/verify", sign_in.VerifyView.as_view()),
    path("auth/login", sign_in.LoginView.as_view()),
    path("auth/google", provider.ProviderUrlView.as_view()),
    path("auth/google/callback", provider.ProviderCallbackView.as_view()),
    path("auth/me", sessions.MeView.as_view()),
    path("auth/refresh", sessions.RefreshView.as_view()),
    path("auth/logout", sessions.LogoutView.as_view()),
    path("auth/logout-all", sessions.LogoutAllView.as_view()),
    path("auth/sessions", own_sessions.SessionsView.as_view()),
    path("auth/sessions/<str:session_id>", own_sessions.SessionView.as_view()),
    path("billing/mails", mail_choices.MailChoicesView.as_view()),
]
