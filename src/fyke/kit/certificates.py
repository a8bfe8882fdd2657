"""X.509 certificates of a certificate authority of our own: ECDSA on P-256, in PEM.

Times are seconds since the epoch. Certificates are valid from a day before they are issued, because
clocks differ.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # takes longer to import than most commands run
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

MAX_PEM = 8192  # characters of a request or certificate that someone else sends
DAY_SECONDS = 24 * 3600
_SEQUENCE, _VERSION, _SHORT_TIME, _LONG_TIME = 0x30, 0xA0, 0x17, 0x18  # tags of DER


class BadCertificate(Exception):
    """What was sent is no certificate or request, or not of a kind that is accepted."""


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate with its private key."""

    certificate: str
    key: str = field(repr=False)


def new_authority(name: str, now: float, seconds: float) -> CertifiedKey:
    """Create a certificate authority, which can sign certificates of ends only."""
    from cryptography import x509

    key = _new_key()
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), now, seconds)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return CertifiedKey(_signed(builder, key), _private_pem(key))


def new_request() -> CertifiedKey:
    """Create a key, and the request for a certificate of it. The names come from the authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key = _new_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(_name("")).sign(key, SHA256())
    return CertifiedKey(request.public_bytes(Encoding.PEM).decode(), _private_pem(key))


def sign_client(authority: CertifiedKey, request: str, uri: str, now: float, seconds: float) -> str:
    """Certify the key of a request for clients, under the name ``uri``. Nothing else of the request
    counts. Raise ``BadCertificate``.
    """
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return _sign(
        authority,
        _requested_key(request),
        x509.UniformResourceIdentifier(uri),
        ExtendedKeyUsageOID.CLIENT_AUTH,
        now,
        seconds,
    )


def new_server(authority: CertifiedKey, host: str, now: float, seconds: float) -> CertifiedKey:
    """Create a key and certify it for servers, under the name ``host``."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = _new_key()
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    name = x509.DNSName(host)
    certificate = _sign(authority, key.public_key(), name, usage, now, seconds)
    return CertifiedKey(certificate, _private_pem(key))


def uri_of(der: bytes) -> str:
    """The one URI that a certificate names, "" without one. Raise ``BadCertificate``."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    except ValueError as error:
        raise BadCertificate("the certificate cannot be read") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 else ""


def expiry_of(certificate: str) -> float:
    """Until when a certificate is valid. Raise ``BadCertificate``.

    The field is read here: a node needs nothing else of the library, which takes 6 MiB.
    """
    if len(certificate) > MAX_PEM:
        raise BadCertificate(f"a certificate has more than {MAX_PEM} characters")
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(certificate))
    except (ValueError, IndexError) as error:
        raise BadCertificate("the certificate cannot be read") from error


def _not_after(der: bytes) -> float:
    """The end of the validity in a certificate, see RFC 5280. Raise ``ValueError`` or
    ``IndexError``.
    """
    _, at, _ = _element(der, 0, _SEQUENCE)  # the certificate
    _, at, _ = _element(der, at, _SEQUENCE)  # what is signed
    if der[at] == _VERSION:
        at = _element(der, at)[2]
    for _ in range(3):  # serial number, algorithm, issuer
        at = _element(der, at)[2]
    _, at, _ = _element(der, at, _SEQUENCE)  # the validity
    tag, start, end = _element(der, _element(der, at)[2])
    text = der[start:end].decode("ascii")
    if tag == _SHORT_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _LONG_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(der: bytes, at: int, expected: int | None = None) -> tuple[int, int, int]:
    """The tag of the element of DER at this position, and where its content starts and ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count])
        start += count
    if start + length > len(der) or expected not in (None, tag):
        raise ValueError("not the element that is expected here")
    return tag, start, start + length


def fingerprint(certificate: str) -> str:
    """43 characters that name the public key of a certificate: SHA-256 in base64url. Raise
    ``BadCertificate``.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = _loaded(certificate).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def _loaded(certificate: str) -> x509.Certificate:
    from cryptography import x509

    if len(certificate) > MAX_PEM:
        raise BadCertificate(f"a certificate has more than {MAX_PEM} characters")
    try:
        return x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise BadCertificate("the certificate cannot be read") from error


def _requested_key(request: str) -> EllipticCurvePublicKey:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec

    if len(request) > MAX_PEM:
        raise BadCertificate(f"a request has more than {MAX_PEM} characters")
    try:
        loaded = x509.load_pem_x509_csr(request.encode())
        key, is_signed = loaded.public_key(), loaded.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCertificate("the request cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise BadCertificate("the key is not one of ECDSA on P-256")
    if not is_signed:
        raise BadCertificate("the request is not signed with its key")
    return key


def _sign(
    authority: CertifiedKey,
    key: EllipticCurvePublicKey,
    name: x509.GeneralName,
    usage: x509.ObjectIdentifier,
    now: float,
    seconds: float,
) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    signer = load_pem_private_key(authority.key.encode(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not one of ECDSA")
    issuer = _loaded(authority.certificate)
    builder = _builder(_name(""), issuer.subject, key, now, seconds)
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([usage]), False),
        (x509.SubjectAlternativeName([name]), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return _signed(builder, signer)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey, now: float, seconds: float
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(now - DAY_SECONDS, UTC))
        .not_valid_after(datetime.fromtimestamp(now + seconds, UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    return x509.Name(parts)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _signed(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def _private_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
