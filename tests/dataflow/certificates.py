"""A certificate authority of our own, and what it says about the hosts of googleapis.com."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority, for clients to trust; and certificate and key of all hosts, for a server."""

    authority: Path
    hosts: Path

    def server_context(self, protocol: str) -> ssl.SSLContext:
        """TLS as one of the hosts, for one protocol: h2 or http/1.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.hosts)
        context.set_alpn_protocols([protocol])
        return context


def make_certificates(folder: Path) -> Certificates:
    """Both, valid from yesterday until tomorrow."""
    authority_key, hosts_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    of_authority = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder("Authority on loopback", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(of_authority, critical=False)
        .add_extension(_signs_certificates(), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("*.googleapis.com"), x509.DNSName("googleapis.com")]
    hosts = (
        _builder("Hosts on loopback", hosts_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_authority), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = hosts_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = Certificates(folder / "authority.pem", folder / "hosts.pem")
    files.authority.write_bytes(authority.public_bytes(pem))
    files.hosts.write_bytes(hosts.public_bytes(pem) + key)
    return files


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Authority on loopback"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signs_certificates() -> x509.KeyUsage:
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    uses = dict.fromkeys([*unused, "decipher_only"], False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **uses)
