"""Rules that look at runs that have ended, and the alerts that they raise.

A rule judges each run once, when it has ended (``watch.py``); what it finds is an alert, which is
listed, and goes to endpoints and mail addresses by way of the outbox.
"""
