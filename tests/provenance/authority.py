"""A private certificate authority for the tests, made by the `openssl` command as an administrator would."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def openssl(folder: Path, *arguments: str) -> None:
    """Run one command in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def by_openssl(folder: Path) -> Path:
    """`ca.pem` and `ca.key` in the folder, by the command line of docs/howto/certificates.md."""
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "3650",
        "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Model signing",
        "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    return folder / "ca.pem"


def certify_by_openssl(folder: Path, key: Path, uris: str, days: int = 365) -> Path:
    """A certificate for a key of ours beside it, as `<role>.crt`."""
    (folder / "leaf.cnf").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"
        f"subjectAltName={uris}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl(folder, "req", "-new", "-key", str(key), "-subj", f"/CN={key.stem}", "-out", "leaf.csr")
    target = key.with_suffix(".crt")
    openssl(
        folder, "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
        str(days), "-extfile", "leaf.cnf", "-out", str(target),
    )  # fmt: skip
    return target


@dataclass
class Issuer:
    """An authority or an intermediate, with its key, by `cryptography`."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issuer(begins: datetime, days: int = 3650, *, by: Issuer | None = None, name: str = "CA") -> Issuer:
    """A root, or an intermediate `by` another."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(name, key.public_key(), begins, days, by, key)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = made.add_extension(_usage(sign=False), critical=True)
    return Issuer(made.sign(by.key if by else key, hashes.SHA256()), key)


def leaf(by: Issuer, public, begins: datetime, uris: list[str], days: int = 365, **options) -> x509.Certificate:
    """A signer's certificate; `usage` and `purposes` replace the right extensions, `ca` makes it one."""
    made = _builder("signer", public, begins, days, by, by.key)
    made = made.add_extension(x509.BasicConstraints(ca=options.get("ca", False), path_length=None), critical=True)
    made = made.add_extension(options.get("usage", _usage(sign=True)), critical=True)
    if purposes := options.get("purposes", [x509.ExtendedKeyUsageOID.CODE_SIGNING]):
        made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(by.key, hashes.SHA256())


def crl(by: Issuer, at: datetime, *revoked: x509.Certificate, days: int = 7, **options) -> str:
    """A revocation list, PEM; `critical` adds an extension that makes it partial."""
    made = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.subject)
    made = made.last_update(at).next_update(at + timedelta(days=days))
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(at).build()
        made = made.add_revoked_certificate(entry)
    if options.get("critical"):
        made = made.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return made.sign(options.get("key", by.key), hashes.SHA256()).public_bytes(PEM).decode()


def _builder(name, public, begins, days, *issued_by):
    by, key = issued_by
    made = (
        x509.CertificateBuilder().subject_name(_name(name)).issuer_name(by.certificate.subject if by else _name(name))
    )
    made = made.public_key(public).serial_number(x509.random_serial_number())
    made = made.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    issuer_key = by.certificate.public_key() if by else key.public_key()
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return made.add_extension(identifier, critical=False)


def _usage(*, sign: bool, both: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=both or not sign, crl_sign=not sign, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
