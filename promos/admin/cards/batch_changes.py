"""The changes of a batch's state that its page offers."""

from billing.admin.console.acts import StateChange
from promos.models import Batch
from promos.use_cases.approvals.approve_batch import approve_batch, propose_batch
from promos.use_cases.approvals.propose_activation import activate_or_propose
from promos.use_cases.cards import change_batch
from promos.use_cases.cards.printer_file import propose_printer_file

Status = Batch.Status

CHANGES = {
    "propose": StateChange(
        name="Propose",
        done="proposed",
        warning="Those who can approve it get a mail.",
        use_case=propose_batch,
        leads_to=Status.APPROVED,
    ),
    "approve": StateChange(
        name="Approve",
        done="approved",
        warning="Check credit, number of cards and window: they stay. You cannot approve a batch that you drafted.",
        use_case=approve_batch,
        leads_to=Status.APPROVED,
    ),
    "generate": StateChange(
        name="Generate",
        done="being generated",
        warning="The worker generates the cards. This page shows its progress when you load it again.",
        use_case=change_batch.start_generation,
        leads_to=Status.GENERATED,
    ),
    "release": StateChange(
        name="Release",
        done="released",
        warning="From now on staff can export and print its codes. Customers cannot redeem them yet.",
        use_case=change_batch.release_batch,
        leads_to=Status.RELEASED,
    ),
    "handout": StateChange(
        name="Hand out",
        done="proposed",
        warning="Somebody else must approve it. The printer's file is then handed to you, once: only the printer can"
        " read it.",
        use_case=propose_printer_file,
    ),
    "activate": StateChange(
        name="Activate",
        done="active",
        warning="From now on customers can redeem its cards.",
        use_case=activate_or_propose,
        leads_to=Status.ACTIVE,
    ),
    "lock": StateChange(
        name="Lock",
        done="locked",
        warning="Customers cannot redeem its cards until it is activated again.",
        use_case=change_batch.stop_batch,
        leads_to=Status.LOCKED,
    ),
    "close": StateChange(
        name="Close",
        done="closed",
        warning="No card can be redeemed any more, and a closed batch stays closed. Customers keep their credit.",
        use_case=change_batch.close_batch,
        leads_to=Status.CLOSED,
        danger=True,
    ),
    "void": StateChange(
        name="Void",
        done="void",
        warning="No card can be redeemed any more, and a void batch stays void. Customers keep their credit.",
        use_case=change_batch.void_batch,
        leads_to=Status.VOID,
        danger=True,
    ),
}
