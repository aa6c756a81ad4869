"""Moves a customer's trail, and the credit that is left, to another Sovereign.

Nothing is copied into the other ledger: its entries would need hashes, versions and orders of their own. The trail is
a signed file, which the other Sovereign reads and verifies as often as it likes. Only the credit moves: an entry
takes it out here before the file is written, and entries bring it in there, once, in the one Sovereign and for the
one customer that the file names. In between it exists in the file alone.
"""
