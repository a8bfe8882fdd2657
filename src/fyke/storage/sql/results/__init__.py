"""Rows, headers and log lines, in a store separate from the state.

* ``tables``: the tables, and the choice of their keys.
* ``migrate``: upgrades the tables, under a lock.
* ``drivers``, ``postgres``, ``connect``: one interface to the drivers of the two databases.
* ``merge``, ``plan``: what a commit will write, computed without the database.
* ``write``, ``read``, ``delete``: the statements; ``hidden``: paging past hidden rows.
* ``store``: threads and the ``Results`` contract.

Nothing is re-exported, because ``migrate`` loads Alembic.
"""
