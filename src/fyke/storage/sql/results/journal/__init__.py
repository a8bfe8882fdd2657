"""The journal: where rows, headers and log lines are acknowledged before they are in ``rows.db``.

With SQLite the runner is the only writer of new rows. A commit for each push costs it more CPU time
than everything else about the push, so a push is acknowledged when its record is in an append-only
file, and records are moved into ``rows.db`` in batches. See decision 90.

* ``records``: the bytes of a record.
* ``segments``: a file of records; what of it is valid after a crash.
* ``folder``: the files of an installation, and the lock under which records are moved.
* ``writer``: appends records; one process at a time.
"""
