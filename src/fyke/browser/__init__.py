"""The gateway of browsers: a process that connects Workers to the Chromium of their attempt.

It has no access to database, launcher or egress: the runner sends it the sockets that it serves.
See ``docs/internals/browser.md``.
"""
