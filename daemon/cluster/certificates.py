"""Certificates of a cluster: one authority, an issuer for each machine, and what the machine shows to others.

Ray compares a certificate with the address that it has called, and a machine may get another address tomorrow. So a
machine has an issuer of its own, under the authority, and makes a certificate for the address it has at each start.
That gives it no power that it lacks otherwise: whoever is in a cluster of Ray may run anything on all of it.
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A clock that is behind must not make a certificate one of the future.
_BEFORE = datetime.timedelta(days=1)
_VALID = datetime.timedelta(days=3653)
_RENEW = datetime.timedelta(days=90)
_CA_PATH, _ISSUER_PATH = 1, 0


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, with those between it and the authority behind it, and its key; both PEM."""

    chain: bytes
    key: bytes


def new_authority() -> Identity:
    """The root of a new cluster, valid for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"seedvr2d cluster {secrets.token_hex(4)}")
    return _identity(_sign(name, key.public_key(), name, key, key.public_key(), path=_CA_PATH), b"", key)


def new_issuer(authority: Identity, machine: str) -> Identity:
    """What a machine makes its own certificates with."""
    issuer, issuer_key = _load(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"issuer of {machine}")
    made = _sign(name, key.public_key(), issuer.subject, issuer_key, issuer_key.public_key(), path=_ISSUER_PATH)
    return _identity(made, b"", key)


def issue(issuer: Identity, machine: str, addresses: Sequence[str]) -> Identity:
    """A certificate of a machine for its IP addresses, as client and as server.

    Args:
        issuer: that of the machine, or the authority itself.
    """
    parent, parent_key = _load(issuer)
    key = ec.generate_private_key(ec.SECP256R1())
    made = _sign(_name(machine), key.public_key(), parent.subject, parent_key, parent_key.public_key(),
                 addresses=addresses)  # fmt: skip
    is_root = parent.subject == parent.issuer
    return _identity(made, b"" if is_root else issuer.chain, key)


def fits(certificate: bytes, issuer: bytes, addresses: Sequence[str]) -> bool:
    """Whether a certificate (PEM) is of this issuer, for all of these addresses, and not about to expire."""
    try:
        shown, parent = x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(issuer)
        shown.verify_directly_issued_by(parent)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # of a certificate that is none, cryptography raises half a dozen kinds
        return False
    known = names.get_values_for_type(x509.IPAddress)
    now = datetime.datetime.now(datetime.UTC)
    return now < shown.not_valid_after_utc - _RENEW and all(ipaddress.ip_address(each) in known for each in addresses)


def expires(certificate: bytes) -> datetime.datetime:
    """When a certificate (PEM) ceases to be valid, in UTC. Raises ValueError: it is none."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_public: ec.EllipticCurvePublicKey,
    *,
    path: int | None = None,
    addresses: Sequence[str] = (),
) -> x509.Certificate:
    """A certificate; of an issuer where `path` says how many may be below it."""
    now, signs = datetime.datetime.now(datetime.UTC), path is not None
    usage = {"digital_signature": not signs, "key_cert_sign": signs, "crl_sign": signs}
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "encipher_only", "decipher_only")  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=signs, path_length=path), critical=True)
        .add_extension(x509.KeyUsage(**usage, **dict.fromkeys(unused, False)), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )
    if not signs:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        names = [x509.IPAddress(ipaddress.ip_address(each)) for each in dict.fromkeys(addresses)]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def _identity(certificate: x509.Certificate, behind: bytes, key: ec.EllipticCurvePrivateKey) -> Identity:
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(certificate.public_bytes(pem) + behind, text)


def _load(identity: Identity) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(identity.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(identity.chain), key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])
