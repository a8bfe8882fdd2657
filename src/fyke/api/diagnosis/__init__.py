"""The archive that explains a run: one ZIP with its cause, facts, log, traffic and last page.

``archive`` writes it as a stream, ``report`` its page for people, ``tables`` its CSV files. The
REST API and the console send the same file.
"""
