"""The verification of the chains beside the ledger's: of the audit trail, and of other apps' entries."""
