"""The verification of the audit trail's chain."""
