"""Rows, headers and log lines: a store of its own, so that a start never waits behind rows.

* ``tables``: what is stored, and why the keys are what they are.
* ``migrate``: brings a database to the newest tables, under a lock.
* ``drivers``: one small interface to the drivers of the two databases.
* ``merge``, ``plan``: what a commit will write, decided without touching the database.
* ``write``, ``read``, ``delete``: the statements; ``hidden``: paging over what is not shown.
* ``store``: threads and the ``Results`` contract.

Nothing is re-exported: ``migrate`` loads Alembic, which only a migration should pay for.
"""
