"""A throwaway authority, and a certificate of it for some names."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def make_authority(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> None:
    """Write ``ca.pem``, ``site.pem`` and ``site.key`` into ``folder``."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", *key, "-days", "2", "-x509", "-subj", "/CN=test authority", "-keyout", "ca.key",
            "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    openssl("req", *key, "-subj", "/CN=site", "-keyout", "site.key", "-out", "site.csr")
    (folder / "names").write_text(f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-extfile", "names", "-out", "site.pem")  # fmt: skip


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key")
    return context


def trusting_context(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.pem"))
