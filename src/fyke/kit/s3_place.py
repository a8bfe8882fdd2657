"""Where blobs are in S3: ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_ORIGIN = re.compile(r"https?://[^/@\s]+(/[^@\s]*)?")
_MAX_PREFIX = 512  # characters; a key has at most 1,024 bytes


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, and what the keys in it begin with; ``prefix`` has no slash at its ends."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The key of a blob."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def name(self, key: str) -> str:
        """The name of the blob with this key."""
        return key.removeprefix(f"{self.prefix}/") if self.prefix else key


def parse_s3_url(url: str) -> S3Place:
    """Raise ``ValueError`` with the rule that ``url`` breaks."""
    scheme, separator, rest = url.partition("://")
    if scheme != "s3" or not separator:
        raise ValueError("must be s3://BUCKET or s3://BUCKET/PREFIX")
    if "@" in rest:
        raise ValueError(
            "must be s3://BUCKET/PREFIX without a login; it belongs in AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or in s3_key_id and s3_secret"
        )
    bucket, _, prefix = rest.removesuffix("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"must name a bucket of 3 to 63 letters, digits, '.', '_' and '-', not {bucket!r}"
        )
    segments = prefix.split("/") if prefix else []
    if len(prefix) > _MAX_PREFIX or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(
            f"must have a prefix of at most {_MAX_PREFIX} characters after the bucket: names of "
            "letters, digits, '.', '_' and '-', joined by single slashes, none starting with a dot"
        )
    return S3Place(bucket, prefix)


def clean_s3_url(url: str) -> str:
    """The place as ``S3Place`` writes it; "" stays "". Raise ``ValueError`` as above."""
    return str(parse_s3_url(url)) if url else url


def parse_endpoint(value: str) -> str:
    """The address of a service, "" for that of AWS. Raise ``ValueError`` for another text."""
    if value and not _ORIGIN.fullmatch(value):
        raise ValueError("must be http:// or https:// with a host and no login")
    return value
