"""The REST surface: translate, authorize, call one domain service, shape the answer.

A request passes, in this order: ``transport`` (request id, Host, CORS, last net for errors),
the router, ``auth`` (rate limit, then credentials), ``decode`` (liberal reading of what came),
one handler in ``v1`` or ``own``, and leaves through ``envelope``. ``errors`` is the only place
where an error of the domain becomes an HTTP status and a wire code.
"""
