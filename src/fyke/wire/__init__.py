"""Every shape on the wire, declared once: what requests and answers contain.

``v1`` and ``v2`` are the compatible dialects, ``fyke`` is ours. The server builds answers with
``of`` and decodes requests by the rules in ``fields``; the OpenAPI documents, our client and the
commands read the same classes. The order of members is the order of the bytes.
"""
