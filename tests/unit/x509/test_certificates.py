"""The throw-away authority, and the loading of keys and certificates."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.authority import PemIdentity, TestAuthority
from pfi.standards.x509.identity import Purpose, from_pem, load

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority("AC de test", lambda: NOW, key_size=1024)


@pytest.fixture(scope="module")
def signer(authority: TestAuthority) -> PemIdentity:
    return authority.issue("PFI", organization="CH de test", identifier="1750000000", key_usage="sign")


@pytest.fixture(scope="module")
def client(authority: TestAuthority) -> PemIdentity:
    return authority.issue("PFI", organization="CH de test", identifier="1750000000", key_usage="auth_cli")


def loaded(identity: PemIdentity, purpose: Purpose = "sign", now: datetime = NOW) -> str:
    return from_pem(identity.cert_pem, identity.key_pem, subject="certificat", purpose=purpose, now=now).subject


def refusal(identity: PemIdentity, purpose: Purpose = "sign", now: datetime = NOW) -> str:
    with pytest.raises(ConfigurationError) as raised:
        loaded(identity, purpose, now)
    return raised.value.code


def test_a_leaf_is_signed_by_the_authority(authority: TestAuthority, signer: PemIdentity) -> None:
    leaf = x509.load_pem_x509_certificate(signer.cert_pem)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem))


def test_the_subject_names_the_legal_entity(signer: PemIdentity) -> None:
    assert loaded(signer) == "CN=PFI,OU=1750000000,O=CH de test,C=FR"


def test_a_server_is_known_by_name_and_by_address(authority: TestAuthority) -> None:
    identity = authority.issue("dmp", server_names=("localhost", "127.0.0.1"))
    names = x509.load_pem_x509_certificate(identity.cert_pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_the_key_is_not_shown_by_repr(signer: PemIdentity) -> None:
    assert "PRIVATE KEY" not in repr(signer)


def test_an_expired_certificate_is_refused(authority: TestAuthority) -> None:
    assert refusal(authority.issue("PFI", key_usage="sign", days=-2)) == "CERTIFICATE_EXPIRED"


def test_a_certificate_of_the_future_is_refused(signer: PemIdentity) -> None:
    assert refusal(signer, now=NOW - timedelta(days=2)) == "CERTIFICATE_NOT_YET_VALID"


def test_the_key_of_another_certificate_is_refused(signer: PemIdentity, client: PemIdentity) -> None:
    assert refusal(PemIdentity(signer.cert_pem, client.key_pem)) == "KEY_MISMATCH"


def test_each_certificate_has_its_purpose(signer: PemIdentity, client: PemIdentity) -> None:
    assert loaded(client, "auth_cli")
    assert refusal(client, "sign") == "CERTIFICATE_WRONG_PURPOSE"


def test_a_server_certificate_does_not_authenticate_a_client(authority: TestAuthority) -> None:
    assert refusal(authority.issue("dmp"), "auth_cli") == "CERTIFICATE_WRONG_PURPOSE"


def test_what_is_not_pem_is_refused(signer: PemIdentity) -> None:
    assert refusal(PemIdentity(b"?", signer.key_pem)) == "CERTIFICATE_UNREADABLE"
    assert refusal(PemIdentity(signer.cert_pem, b"?")) == "KEY_UNREADABLE"


def test_a_key_that_is_not_rsa_is_refused(signer: PemIdentity) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert refusal(PemIdentity(signer.cert_pem, pem)) == "KEY_NOT_RSA"


def test_issuers_that_follow_the_leaf_are_its_chain(authority: TestAuthority, signer: PemIdentity) -> None:
    key = from_pem(signer.cert_pem + authority.ca_pem, signer.key_pem, subject="certificat", purpose="sign", now=NOW)
    assert len(key.chain) == 1


def test_files_are_loaded(tmp_path: Path, signer: PemIdentity) -> None:
    (tmp_path / "c.pem").write_bytes(signer.cert_pem)
    (tmp_path / "k.pem").write_bytes(signer.key_pem)
    key = load(tmp_path / "c.pem", tmp_path / "k.pem", subject="certificat", purpose="sign", now=NOW)
    assert key.subject.startswith("CN=PFI")


def test_a_missing_file_is_named(tmp_path: Path, signer: PemIdentity) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem") as raised:
        load(tmp_path / "absent.pem", tmp_path / "k.pem", subject="certificat", purpose="sign", now=NOW)
    assert raised.value.code == "CERTIFICATE_UNREADABLE"
