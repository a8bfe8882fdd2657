from __future__ import annotations

import pytest

from fyke.kit.s3_place import S3Place, parse_s3_url


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", S3Place("bucket")),
        ("s3://bucket/", S3Place("bucket")),
        ("s3://my.bucket-1/fyke/Prod_2", S3Place("my.bucket-1", "fyke/Prod_2")),
        ("s3://bucket/prefix/", S3Place("bucket", "prefix")),
    ],
)
def test_a_place_is_a_bucket_and_a_prefix(url: str, place: S3Place) -> None:
    assert parse_s3_url(url) == place
    assert str(place) == url.rstrip("/")
    assert place.name(place.key("rows/a")) == "rows/a"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("bucket/prefix", "must be s3://BUCKET"),
        ("https://bucket.s3.amazonaws.com", "must be s3://BUCKET"),
        ("s3:bucket", "must be s3://BUCKET"),
        ("s3://key:secret@bucket", "AWS_ACCESS_KEY_ID"),
        ("s3://", "must name a bucket"),
        ("s3://ab", "must name a bucket"),
        ("s3://bucket:9000/a", "must name a bucket"),
        ("s3://bucket//a", "must have a prefix"),
        ("s3://bucket/../a", "must have a prefix"),
        ("s3://bucket/a b", "must have a prefix"),
        ("s3://bucket/a?b=c", "must have a prefix"),
        ("s3://bucket/" + "a" * 513, "must have a prefix"),
    ],
)
def test_other_urls_are_refused_with_the_rule(url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as refused:
        parse_s3_url(url)
    assert "secret@" not in str(refused.value)
