"""TLS 1.3 between our own machines, with certificates of an authority of our own only."""

from __future__ import annotations

import os
import ssl

from fyke.kit.certificates import CertifiedKey

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module has no name for
_NO_CHECK_TIME = 0x200000


def server_context(authority: str, own: CertifiedKey, protocols: list[str]) -> ssl.SSLContext:
    """The context of a server, for clients with a certificate that ``authority`` has signed.

    A client without a certificate is accepted too: what serves the connection must look for one.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, authority, own, protocols)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # a resumed session is not checked: its certificate may have expired
    return context


def client_context(
    authority: str, own: CertifiedKey | None, protocols: list[str]
) -> ssl.SSLContext:
    """The context of a client, which accepts servers of ``authority`` with the name that it asks
    for, whatever its clock says. ``own`` is None before it has a certificate.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, authority, own, protocols)
    context.verify_flags |= _NO_CHECK_TIME
    return context


def unverified_context(protocols: list[str]) -> ssl.SSLContext:
    """The context of a client that accepts any server, and must not send it anything secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


def _context(
    side: int, authority: str, own: CertifiedKey | None, protocols: list[str]
) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority)
    context.set_alpn_protocols(protocols)
    if own is not None:
        # the ssl module reads keys from files only; this one has no name and is in memory
        with os.fdopen(os.memfd_create("certificate"), "w", encoding="ascii") as file:
            file.write(own.certificate + own.key)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context
