"""The demo: a whole Sovereign on this machine, for as long as `make demo` runs in the foreground.

It starts the embedded PostgreSQL, migrates and seeds its database, and runs the web server, the worker and a
Stripe sandbox as child processes. Ctrl-C or SIGTERM stops them all. A child that ends is started again; one that
ends more than three times a minute stops the demo with status 1. If the demo itself is killed, the kernel ends
its children (Linux), and PostgreSQL stops after its last user.

The demo itself uses only the standard library; Django runs in the child processes.

- `__main__`: the command line.
- `supervisor`: starts the programs, keeps them running and stops them; `children`: one program; `signals`: Ctrl-C.
- `environment`: the programs' ports, secrets and variables.
- `seed`: staff logins and a voucher.
"""
