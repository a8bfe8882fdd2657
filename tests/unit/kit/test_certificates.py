"""Certificates: what they are good for, and which requests are refused."""

from __future__ import annotations

import base64
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fyke.kit.certificates import (
    DAY_SECONDS,
    MAX_PEM,
    BadCertificate,
    expiry_of,
    fingerprint,
    new_authority,
    new_request,
    new_server,
    sign_client,
    uri_of,
)

NOW = 1_800_000_000
AUTHORITY = new_authority("Nodes", NOW, 10 * 365 * DAY_SECONDS)


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def requested(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    name = x509.Name([])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("node:other")])
    builder = builder.add_extension(alternative, False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_client_is_certified_under_the_name_that_was_given_to_it() -> None:
    certificate = sign_client(AUTHORITY, new_request().certificate, "node:n1", NOW, 60)
    assert uri_of(der(certificate)) == "node:n1"
    assert expiry_of(certificate) == NOW + 60
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    assert loaded.not_valid_before_utc.timestamp() == NOW - DAY_SECONDS
    usage = loaded.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.2"]


@pytest.mark.parametrize("years", [1, 20, 30, 900])  # from 2050 on it is written in another way
def test_the_expiry_is_what_others_read(years: int) -> None:
    certificate = new_authority("A name", NOW, years * 365 * DAY_SECONDS).certificate
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    assert expiry_of(certificate) == loaded.not_valid_after_utc.timestamp()


def test_the_expiry_of_a_part_of_a_certificate_cannot_be_read() -> None:
    whole = der(AUTHORITY.certificate)
    for length in range(len(whole)):
        with pytest.raises(BadCertificate):
            expiry_of(ssl.DER_cert_to_PEM_cert(whole[:length]))
    with pytest.raises(BadCertificate):
        expiry_of(AUTHORITY.key)


def test_a_request_decides_about_its_key_only() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign_client(AUTHORITY, requested(key), "node:n1", NOW, 60)
    assert uri_of(der(certificate)) == "node:n1"
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    assert not loaded.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert loaded.public_key() == key.public_key()


def test_other_requests_are_refused() -> None:
    good = new_request().certificate
    other = base64.b64decode("".join(new_request().certificate.splitlines()[1:-1]))
    data = bytearray(base64.b64decode("".join(good.splitlines()[1:-1])))
    data[-60:] = other[-60:]  # the signature of another key
    forged = (
        "-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(data).decode()
        + "-----END CERTIFICATE REQUEST-----\n"
    )
    for request, problem in (
        ("", "cannot be read"),
        ("é", "cannot be read"),
        (AUTHORITY.certificate, "cannot be read"),
        (good + " " * MAX_PEM, "more than"),
        (requested(rsa.generate_private_key(65537, 2048)), "not one of ECDSA on P-256"),
        (requested(ec.generate_private_key(ec.SECP384R1())), "not one of ECDSA on P-256"),
        (forged, "cannot be read|not signed with its key"),
    ):
        with pytest.raises(BadCertificate, match=problem):
            sign_client(AUTHORITY, request, "node:n1", NOW, 60)


def test_a_fingerprint_names_the_public_key() -> None:
    found = fingerprint(AUTHORITY.certificate)
    assert len(found) == 43 and found == fingerprint(AUTHORITY.certificate)
    assert found != fingerprint(new_authority("Nodes", NOW, 60).certificate)
    for text in ("", "x", AUTHORITY.certificate * 20):
        with pytest.raises(BadCertificate):
            fingerprint(text)


def test_certificates_without_one_uri_name_nobody() -> None:
    assert uri_of(der(AUTHORITY.certificate)) == ""
    assert uri_of(der(new_server(AUTHORITY, "gateway.internal", NOW, 60).certificate)) == ""
    with pytest.raises(BadCertificate):
        uri_of(b"no certificate")


def test_keys_are_not_in_representations() -> None:
    assert "PRIVATE" not in repr(AUTHORITY)
