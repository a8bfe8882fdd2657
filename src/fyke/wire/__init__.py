"""The shapes of requests and answers on the wire.

``v1`` and ``v2`` are the compatible dialects, ``fyke`` is specific to this server. The server
builds answers with ``of`` and decodes requests by the rules in ``fields``; the OpenAPI documents,
the client and the commands use the same classes. Members are encoded in the order of their
declaration.
"""
