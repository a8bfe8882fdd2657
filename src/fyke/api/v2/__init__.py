"""REST API v2: resources under ``/api/v2``, answered in the second dialect.

Importing the package registers the converters of its path parameters.
"""

from __future__ import annotations

from starlette.convertors import register_url_convertor

from fyke.api.v2.paths import RunReference, WorkerReference

register_url_convertor("worker", WorkerReference())
register_url_convertor("run", RunReference())
