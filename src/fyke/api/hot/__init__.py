"""Short path for the reads that clients poll, ahead of the middleware.

``path`` admits a request and sends its answer; every other module has one kind of read. A request
that is unusual in any way is left to the full path, whose answers are the same byte for byte.
"""
