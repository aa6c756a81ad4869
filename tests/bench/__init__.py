"""Benchmarks: commands that print ratios, never timed tests (`make bench`, or `python -m tests.bench --help`).

Every figure stands beside a floor or a peer that was measured in the same run on the same PostgreSQL, in turns
(A B A B); the machines that this runs on are shared, so only ratios are worth keeping. Durability is on everywhere:
the cluster is one of its own, with fsync and synchronous_commit as PostgreSQL sets them.

- `peers`: what is compared with, run by pgbench: the floor of one bare insert, and the sequence of the service that
  this one replaces.
- `clients`: threads in processes of their own that call a use case; `load`: clients that call it over HTTP.
- `redemption`, `bulk`, `checkout`, `catalog`, `front_ends`, `sign_in`, `growth`, `churn`, `startup`, `scaling`: what
  is measured, a module each; `console`, a folder.
- `table`: medians, spreads and ratios, for people and as JSON.
"""
