"""The REST API: authorize and decode a request, call one domain service, encode the answer.

A request passes, in this order: ``transport`` (request id, Host, CORS, unexpected errors), the
router, ``auth`` (rate limit, then credentials), ``decode`` (parsing the body) and one handler in
``v1``, ``v2`` or ``fyke``. ``envelope`` encodes the answer. Only ``errors`` turns an error of the
domain into an HTTP status and a wire code.
"""
