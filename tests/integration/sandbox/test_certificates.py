"""The certificates of the sandbox: made once, with the uses of IGC-Santé, and flawed ones on demand."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from connectors.sandbox.certificates import (
    LEGAL_ENTITY,
    CertificateFiles,
    Certificates,
    Flaw,
    Usage,
    allows,
    distinguished_name,
    entity_of,
)


def load(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def test_certificates_are_made_once(directory: Path) -> None:
    first = load(Certificates(directory / "certificates").sign)
    assert load(Certificates(directory / "certificates").sign) == first


def test_a_certificate_about_to_expire_is_made_anew(directory: Path) -> None:
    first = Certificates(directory / "certificates")
    old, authority = load(first.sign), first.authority_certificate()
    later = Certificates(directory / "certificates", clock=lambda: datetime.now(UTC) + timedelta(days=729, hours=12))
    assert load(later.sign) != old
    assert later.authority_certificate() == authority


def test_each_certificate_has_one_use_and_its_entity(directory: Path) -> None:
    made = Certificates(directory / "certificates")
    expected = {
        made.auth_cli: Usage.AUTH_CLI,
        made.mssante: Usage.AUTH_CLI,
        made.sign: Usage.SIGN,
        made.dmp_server: Usage.SERVER,
    }
    for files, usage in expected.items():
        assert [one for one in Usage if allows(load(files), one)] == [usage]
        assert entity_of(load(files)) == LEGAL_ENTITY
        load(files).verify_directly_issued_by(made.authority_certificate())
        assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


@pytest.mark.parametrize("flaw", list(Flaw))
def test_a_flawed_certificate_has_its_flaw_and_no_other(flaw: Flaw, directory: Path) -> None:
    made = Certificates(directory / "certificates")
    files = made.flawed(flaw, Usage.SIGN)
    assert made.flawed(flaw, Usage.SIGN) == files
    certificate = load(files)
    now = datetime.now(UTC)
    assert (certificate.not_valid_after_utc < now) is (flaw is Flaw.EXPIRED)
    assert (certificate.not_valid_before_utc > now) is (flaw is Flaw.NOT_YET_VALID)
    assert made.is_revoked(certificate) is (flaw is Flaw.REVOKED)
    assert allows(certificate, Usage.SIGN) is (flaw not in (Flaw.WRONG_USAGE, Flaw.SELF_SIGNED))
    assert (entity_of(certificate) == LEGAL_ENTITY) is (flaw is not Flaw.OTHER_ENTITY)
    issued_here = certificate.issuer == made.authority_certificate().subject
    assert issued_here is (flaw not in (Flaw.SELF_SIGNED, Flaw.OTHER_AUTHORITY))


def test_names_are_read_with_the_spaces_and_short_names_of_other_software() -> None:
    assert distinguished_name("CN=a, O=b,  C=FR") == distinguished_name("CN=a,O=b,C=FR")
    assert distinguished_name("GN=Anne,CN=a").rdns != distinguished_name("CN=a").rdns
    with pytest.raises(ValueError):  # noqa: PT011 - the library gives no sentence
        distinguished_name("bonjour")
