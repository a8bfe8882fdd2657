"""The shapes of requests and answers on the wire.

``v1`` and ``v2`` are the compatible dialects, ``fyke`` is specific to this server. The server
builds answers with ``of`` and decodes requests by the rules in ``fields``; the OpenAPI documents,
the client and the commands use the same classes. Members are encoded in the order of their
declaration.

A module is imported when it is first used as an attribute, for example ``wire.fyke.runs``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fyke.wire import archives as archives
    from fyke.wire import common as common
    from fyke.wire import fields as fields
    from fyke.wire import findings as findings
    from fyke.wire import fyke as fyke
    from fyke.wire import health as health
    from fyke.wire import inputs as inputs
    from fyke.wire import reasons as reasons
    from fyke.wire import rows as rows
    from fyke.wire import run_members as run_members
    from fyke.wire import units as units
    from fyke.wire import v1 as v1
    from fyke.wire import v2 as v2
else:
    from fyke.kit.lazy import submodules_of

    __getattr__ = submodules_of(__name__)
