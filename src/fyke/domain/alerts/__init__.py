"""Alert rules for ended runs, and the alerts that they raise.

A rule is evaluated once for each run, when it has ended (``monitor.py``). When it matches, an alert
is listed and sent to endpoints and mail addresses through the outbox.
"""
