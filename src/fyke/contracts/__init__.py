"""The interfaces between the domain and what implements it, one module each, in reading order.

* ``state``: ``Storage``, its ``Transaction`` and the stores of that (accounts, workers, runs,
  leases, ledger, outbox).
* ``results``: rows, headers and log lines, apart from the state, because a start must never wait
  behind a stream of rows.
* ``blobs``: bundles by digest.
* ``signals``: waking another process by event.
* ``execution``: ``Engine``, where and when attempts go; ``Environments``, ``Sandboxes`` and
  ``Sandbox``, the isolation of one attempt.
* ``egress``: access to the web for one attempt.
* ``tools``, ``git``: installing, compiling and cloning inside a sandbox.
* ``delivery``: one HTTP POST to a user's server.
* ``installation``: what only the server's own process knows about it.

An implementation is done when it passes the suite of its contract in ``tests/contract``.
Storage is synchronous inside a transaction and runs in a thread; everything else is async. Import
each name from its module.
"""
