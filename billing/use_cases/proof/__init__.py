"""The proof that nobody changed the ledger: its chain of hashes, and the signed heads that cover it.

- Each entry's hash covers the entry and the hash of its account's entry before (billing/models/proof/chain.sql).
- `seal_ledger` signs a head: the newest hash of each account that changed since the head before, with totals.
- `verify_chain` recomputes all hashes and compares them with the heads.
- `export_evidence` writes entries and heads, and a program that checks them without this service.

An owner of the database can write an account's entries again, with all later hashes. The accounts' hashes then
differ from those that a head covers, and nobody can sign another head without the key, which is not in the database.
Entries that no head covers yet are only chained. A head that was published elsewhere shows whether the newest heads
were removed.
"""
