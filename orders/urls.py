from django.urls import path

from .api import cancellation, checkout, credit, forecasts, merges, past, portal, quote, staff, subscriptions, top_up
from .api.books import documents, ledger_export, months, statements
from .api.catalog import administration, lists
from .api.organizations import apps, domains, organization_members, organizations, staff_organizations
from .api.personal import data_export, erasure
from .api.provisioning import jobs, provisions, reports
from .api.tmf654 import balances, topups
from .api.webhooks import deliveries, endpoints
from .webhooks import StripeWebhookView

_PREPAY_BALANCE = "tmf-api/prepayBalanceManagement/v4"

urlpatterns = [
    path("billing/balance/sources", credit.OwnCreditView.as_view()),
    path("billing/personal-data", data_export.PersonalDataView.as_view()),
    path("billing/personal-data/erase", erasure.ErasureView.as_view()),
    path("billing/checkout/quote", quote.QuoteView.as_view()),
    path("billing/checkout", checkout.CheckoutView.as_view()),
    path("billing/vouchers/forecast", forecasts.VoucherForecastView.as_view()),
    path("billing/batches/forecast", forecasts.BatchForecastView.as_view()),
    path("billing/vouchers/redeem", top_up.TopUpView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/forecast", forecasts.ForecastView.as_view()),
    path("billing/webhook", StripeWebhookView.as_view()),
    path("billing/subscription", subscriptions.SubscriptionView.as_view()),
    path("billing/subscription/<str:tenant_id>", subscriptions.SubscriptionView.as_view()),
    path("billing/subscription/<str:tenant_id>/cancel", cancellation.CancelView.as_view()),
    path("billing/subscription/<str:tenant_id>/resume", cancellation.ResumeView.as_view()),
    path("billing/invoices", subscriptions.InvoicesView.as_view()),
    path("billing/invoices/<str:tenant_id>", subscriptions.InvoicesView.as_view()),
    path("billing/documents", documents.DocumentsView.as_view()),
    path("billing/documents/<str:document_id>", documents.DocumentView.as_view()),
    path("billing/documents/<str:document_id>/pdf", documents.DocumentPdfView.as_view()),
    path("billing/statements/<str:month>", statements.StatementView.as_view()),
    path("billing/statements/<str:month>/pdf", statements.StatementPdfView.as_view()),
    path("billing/portal/<str:tenant_id>", portal.PortalView.as_view()),
    path("billing/admin/orders", staff.OrdersView.as_view()),
    path("billing/admin/documents", documents.AllDocumentsView.as_view()),
    path("billing/admin/customers/merge", merges.MergeView.as_view()),
    path("billing/admin/customers/merge/preview", merges.MergePreviewView.as_view()),
    path("billing/admin/explain", past.ExplainView.as_view()),
    path("billing/admin/explain/pdf", past.ExplanationPdfView.as_view()),
    path("billing/admin/past/balance", past.BalanceAtView.as_view()),
    path("billing/admin/past/trial-balance", past.TrialBalanceView.as_view()),
    path("billing/admin/past/voucher", past.VoucherAtView.as_view()),
    path("billing/admin/ledger/export", ledger_export.LedgerExportView.as_view()),
    path("billing/admin/months", months.MonthsView.as_view()),
    path("billing/admin/months/<str:month>", months.MonthView.as_view()),
    path("billing/admin/months/<str:month>/close", months.CloseMonthView.as_view()),
    path("billing/admin/events", staff.EventsView.as_view()),
    path("billing/admin/webhooks", endpoints.WebhookEndpointsView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>", endpoints.WebhookEndpointView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/pause", endpoints.PauseView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/resume", endpoints.ResumeView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/retire", endpoints.RetireView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/rotate-secret", endpoints.RotateSecretView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/test", endpoints.TestView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/resend-failed", deliveries.ResendFailedView.as_view()),
    path("billing/admin/webhooks/<str:endpoint_id>/deliveries", deliveries.WebhookDeliveriesView.as_view()),
    path("catalog/plans", lists.PlansView.as_view()),
    path("catalog/apps", lists.AppsView.as_view()),
    path("catalog/addons", lists.AddOnsView.as_view()),
    path("catalog/industries", lists.IndustriesView.as_view()),
    path("catalog/bundles", lists.BundlesView.as_view()),
    *(
        path(f"catalog/admin/{name}{rest}", view.as_view())
        for name, views in administration.VIEWS.items()
        for rest, view in zip(("", "/<str:item_id>"), views, strict=True)
    ),
    path("domain/list", domains.DomainListView.as_view()),
    path("domain/domains/<str:owner_id>", domains.DomainsView.as_view()),
    path("domain/byod", domains.NewDomainView.as_view()),
    path("domain/verify/<str:domain_id>", domains.VerificationView.as_view()),
    path("domain/check/<str:subdomain>/<str:tld>", domains.AddressCheckView.as_view()),
    path("tenant/check-slug/<str:slug>", organizations.SlugView.as_view()),
    path("tenant/orgs", organizations.OrganizationsView.as_view()),
    path("tenant/orgs/<str:organization_id>", organizations.OrganizationView.as_view()),
    path("tenant/orgs/<str:organization_id>/members", organization_members.MembersView.as_view()),
    path("tenant/orgs/<str:organization_id>/members/<path:member>", organization_members.MemberView.as_view()),
    path("tenant/admin/tenants", staff_organizations.TenantsView.as_view()),
    path("tenant/admin/tenants/<str:tenant_id>", staff_organizations.TenantView.as_view()),
    path("tenant/admin/tenants/<str:tenant_id>/status", staff_organizations.TenantStatusView.as_view()),
    path("tenant/orgs/<str:organization_id>/apps", apps.AppsView.as_view()),
    path("tenant/orgs/<str:organization_id>/apps/<str:slug>", apps.AppView.as_view()),
    path("tenant/orgs/<str:organization_id>/apps/<str:slug>/uninstall-preview", apps.UninstallPreviewView.as_view()),
    path("tenant/orgs/<str:organization_id>/backing-services", apps.BackingServicesView.as_view()),
    path("tenant/admin/tenants/<str:tenant_id>/backing-services", apps.StaffBackingServicesView.as_view()),
    path(f"{_PREPAY_BALANCE}/bucket", balances.BucketsView.as_view()),
    path(f"{_PREPAY_BALANCE}/bucket/<str:id>", balances.BucketView.as_view()),
    path(f"{_PREPAY_BALANCE}/accumulatedBalance", balances.AccumulatedBalancesView.as_view()),
    path(f"{_PREPAY_BALANCE}/accumulatedBalance/<str:id>", balances.AccumulatedBalanceView.as_view()),
    path(f"{_PREPAY_BALANCE}/topupBalance", topups.TopupBalancesView.as_view()),
    path(f"{_PREPAY_BALANCE}/topupBalance/<str:id>", topups.TopupBalanceView.as_view()),
    path("provisioning/jobs", jobs.JobsView.as_view()),
    path("provisioning/report", reports.ReportView.as_view()),
    path("provisioning/start", provisions.StartView.as_view()),
    path("provisioning/tenant/<str:tenant_id>", provisions.TenantProvisionView.as_view()),
    path("provisioning/status/<str:provision_id>", provisions.ProvisionView.as_view()),
]
