from django.urls import path

from .api import attempts, campaigns, code_import, vouchers
from .api.cards import batches, printer_files, ranges

urlpatterns = [
    path("billing/vouchers/issue", vouchers.IssueView.as_view()),
    path("billing/vouchers/import", code_import.ImportView.as_view()),
    path("billing/vouchers/list", vouchers.VouchersView.as_view()),
    path("billing/vouchers/revoke/<str:code>", vouchers.RevokeView.as_view()),
    path("billing/vouchers/redeem-preview", vouchers.PreviewView.as_view()),
    path("billing/campaigns", campaigns.CampaignsView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>", campaigns.CampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/propose", campaigns.ProposeCampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/approve", campaigns.ApproveCampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/activate", campaigns.ActivateCampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/pause", campaigns.PauseCampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/end", campaigns.EndCampaignView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/budget", campaigns.CampaignBudgetView.as_view()),
    path("billing/campaigns/<uuid:campaign_id>/end-date", campaigns.CampaignEndDateView.as_view()),
    path("billing/attempts", attempts.AttemptsView.as_view()),
    path("billing/batches", batches.BatchesView.as_view()),
    path("billing/batches/<uuid:batch_id>", batches.BatchView.as_view()),
    path("billing/batches/<uuid:batch_id>/propose", batches.ProposeBatchView.as_view()),
    *(path(f"billing/batches/<uuid:batch_id>/{name}", view.as_view()) for name, view in batches.ACTS.items()),
    path("billing/batches/<uuid:batch_id>/printer-file", printer_files.PrinterFileView.as_view()),
    path("billing/batches/<uuid:batch_id>/cards", batches.CardsView.as_view()),
    path("billing/batches/<uuid:batch_id>/ranges", ranges.BatchRangesView.as_view()),
    path("billing/batches/<uuid:batch_id>/ranges/csv", ranges.SerialFileView.as_view()),
    path("billing/ranges", ranges.RangesView.as_view()),
    path("billing/dealers", ranges.DealersView.as_view()),
    path("billing/dealers/<uuid:dealer_id>", ranges.DealerView.as_view()),
    path("billing/admin/promos", vouchers.PromosView.as_view()),
    path("billing/admin/promos/<str:code>", vouchers.RevokeView.as_view()),
]
