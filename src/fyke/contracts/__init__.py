"""The interfaces between the domain and its infrastructure, in reading order.

* ``state``: ``Storage``, its ``Transaction`` and the stores in it (accounts, workers, runs, leases,
  ledger, outbox).
* ``results``: rows, headers and log lines, separate from the state, so that the start of a run
  never waits behind a stream of rows.
* ``blobs``: bundles by digest.
* ``signals``: waking other processes.
* ``execution``: ``Environments``, ``Sandboxes`` and ``Sandbox``, the isolation of one attempt.
* ``egress``: access to the web for one attempt.
* ``browser``: the browser sandboxes, and the gateway that connects Workers to them.
* ``tools``, ``git``: installing, compiling and cloning inside a sandbox.
* ``fleet``: the engine that runs the machines of nodes.
* ``delivery``: one HTTP POST to a user's server.
* ``installation``: facts that only the server process can report.

Each contract has a test suite in ``tests/contract`` that every implementation must pass. Storage
is synchronous inside a transaction and runs in a thread, and ``Fleet`` blocks; all else is async.
Import each name from its module.
"""
