"""A pair that may be renewed while it is in use."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.authority import PemIdentity, TestAuthority
from pfi.standards.x509.identity import CertifiedKey
from pfi.standards.x509.renewal import PairFiles, RenewedPair

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@cache
def authority() -> TestAuthority:
    return TestAuthority("AC de test", lambda: NOW, key_size=1024)


@cache
def identity(number: int) -> PemIdentity:
    return authority().issue(f"PFI {number}", key_usage="sign")


@dataclass
class Files:
    folder: Path
    seen: list[str] = field(default_factory=list)
    refuse: str = ""

    def write(self, certificate: bytes | None = None, key: bytes | None = None) -> None:
        if certificate is not None:
            (self.folder / "c.pem").write_bytes(certificate)
        if key is not None:
            (self.folder / "k.pem").write_bytes(key)

    def prepare(self, key: CertifiedKey, now: datetime) -> str:
        assert now == NOW
        if self.refuse:
            raise ConfigurationError(self.refuse, "Refusé.")
        self.seen.append(key.subject)
        return key.subject

    @property
    def pair(self) -> RenewedPair[str]:
        names = PairFiles(self.folder / "c.pem", self.folder / "k.pem", "certificat", "sign")
        return RenewedPair(names, self.prepare)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write(identity(1).cert_pem, identity(1).key_pem)
    return made


def test_a_pair_that_has_not_changed_is_not_prepared_again(files: Files) -> None:
    pair = files.pair
    assert pair.held is None
    assert pair.open(NOW).made == "CN=PFI 1,C=FR"
    assert not pair.refresh(NOW)
    files.write(identity(1).cert_pem, identity(1).key_pem)
    assert not pair.refresh(NOW)
    assert files.seen == ["CN=PFI 1,C=FR"]


def test_a_renewed_pair_is_taken(files: Files) -> None:
    pair = files.pair
    pair.open(NOW)
    files.write(identity(2).cert_pem, identity(2).key_pem)
    assert pair.refresh(NOW)
    assert pair.held is not None
    assert pair.held.made == "CN=PFI 2,C=FR"
    assert pair.fault is None


HALVES: dict[str, tuple[bytes | None, bytes | None, str]] = {
    "certificate first": (identity(2).cert_pem, None, "KEY_MISMATCH"),
    "key first": (None, identity(2).key_pem, "KEY_MISMATCH"),
    "half a certificate": (identity(2).cert_pem[:200], None, "CERTIFICATE_UNREADABLE"),
    "half a key": (None, identity(2).key_pem[:200], "KEY_UNREADABLE"),
    "empty": (b"", b"", "CERTIFICATE_UNREADABLE"),
}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_renewal_leaves_what_is_in_use_until_it_is_whole(half: str, files: Files) -> None:
    pair = files.pair
    before = pair.open(NOW)
    certificate, key, code = HALVES[half]
    files.write(certificate, key)
    assert not pair.refresh(NOW)
    assert pair.held is before
    assert pair.fault is not None
    assert pair.fault.code == code
    files.write(identity(2).cert_pem, identity(2).key_pem)
    assert pair.refresh(NOW)
    assert pair.fault is None


def test_going_back_to_what_is_in_use_mends_the_fault(files: Files) -> None:
    pair = files.pair
    before = pair.open(NOW)
    (files.folder / "k.pem").unlink()
    assert not pair.refresh(NOW)
    assert pair.fault is not None
    files.write(key=identity(1).key_pem)
    assert not pair.refresh(NOW)
    assert pair.held is before
    faults = [pair.fault]
    assert faults == [None]


def test_a_pair_that_may_not_be_used_is_not_taken(files: Files) -> None:
    pair = files.pair
    before = pair.open(NOW)
    for number, refused, code in ((2, "CERTIFICATE_REVOKED", "CERTIFICATE_REVOKED"), (3, "", "CERTIFICATE_EXPIRED")):
        files.refuse = refused
        renewed = identity(2) if number == 2 else authority().issue("PFI 3", key_usage="sign", days=-2)
        files.write(renewed.cert_pem, renewed.key_pem)
        assert not pair.refresh(NOW)
        assert pair.held is before
        assert pair.fault is not None
        assert pair.fault.code == code


def test_files_that_change_while_they_are_prepared_are_not_taken(files: Files) -> None:
    names = PairFiles(files.folder / "c.pem", files.folder / "k.pem", "certificat", "sign")

    def slow(key: CertifiedKey, _now: datetime) -> str:
        files.write(identity(2).cert_pem, identity(2).key_pem)
        return key.subject

    with pytest.raises(ConfigurationError, match="CERTIFICATE_CHANGING"):
        RenewedPair(names, slow).open(NOW)


def test_a_first_look_may_be_the_first_opening(files: Files) -> None:
    pair = files.pair
    assert pair.refresh(NOW)
    assert pair.held is not None
