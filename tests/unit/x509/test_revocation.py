"""Revocation lists: who signed them, how old they are, what they say."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from pfi.model.errors import ConfigurationError
from pfi.standards.x509.revocation import (
    RevocationLists,
    Standing,
    is_out_of_date,
    is_signed,
    parse_lists,
    read_lists,
)
from tests.unit.x509.test_chain import MIDDLE, NOW, ROOT, Node, make

GOOD = make("PFI", 2, ROOT, ca=False)
BAD = make("PFI", 3, ROOT, ca=False)


def crl(
    issuer: Node, *revoked: Node, published: datetime = NOW, signer: Node | None = None
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(published)
        .next_update(published + timedelta(days=7))
    )
    for each in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number).revocation_date(published)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign((signer or issuer).key, hashes.SHA256())


def lists(*found: x509.CertificateRevocationList) -> RevocationLists:
    return RevocationLists.of(found, [ROOT.certificate])


def test_a_current_list_says_who_is_revoked_and_who_is_not() -> None:
    known = lists(crl(ROOT, BAD))
    assert known.standing(BAD.certificate, NOW) is Standing.REVOKED
    assert known.standing(GOOD.certificate, NOW) is Standing.GOOD


def test_without_a_list_of_the_authority_nothing_is_known() -> None:
    assert lists().standing(GOOD.certificate, NOW) is Standing.UNKNOWN
    stranger = make("PFI", 4, MIDDLE, ca=False)
    assert lists(crl(ROOT, BAD)).standing(stranger.certificate, NOW) is Standing.UNKNOWN


def test_an_old_list_still_revokes_but_clears_nobody() -> None:
    known = lists(crl(ROOT, BAD))
    later = NOW + timedelta(days=8)
    assert known.standing(BAD.certificate, later) is Standing.REVOKED
    assert known.standing(GOOD.certificate, later) is Standing.UNKNOWN
    assert is_out_of_date(known.lists[0], later)
    assert not is_out_of_date(known.lists[0], NOW)


def test_the_newest_list_of_an_authority_counts() -> None:
    old, new = crl(ROOT, published=NOW - timedelta(days=1)), crl(ROOT, BAD)
    for order in ((old, new), (new, old)):
        assert lists(*order).lists == (new,)


def test_a_list_that_a_stranger_signed_is_ignored() -> None:
    forged = crl(ROOT, GOOD, signer=MIDDLE)
    assert not is_signed(forged, [ROOT.certificate, MIDDLE.certificate])
    assert lists(forged).standing(GOOD.certificate, NOW) is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("leaf", "required", "code"),
    [
        (BAD, False, "CERTIFICATE_REVOKED"),
        (make("PFI", 4, MIDDLE, ca=False), True, "CERTIFICATE_STANDING_UNKNOWN"),
        (make("PFI", 4, MIDDLE, ca=False), False, ""),
        (GOOD, True, ""),
    ],
)
def test_the_check_refuses_what_is_revoked_and_on_demand_what_is_not_known(
    leaf: Node, required: bool, code: str
) -> None:
    known = lists(crl(ROOT, BAD))
    if not code:
        known.check(leaf.certificate, subject="certificat", now=NOW, required=required)
        return
    with pytest.raises(ConfigurationError) as raised:
        known.check(leaf.certificate, subject="certificat", now=NOW, required=required)
    assert raised.value.code == code


def test_lists_are_read_in_pem_and_in_der(tmp_path: Path) -> None:
    one, two = crl(ROOT), crl(MIDDLE)
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (one, two))
    assert parse_lists(b"# IGC\n" + pem) == (one, two)
    file = tmp_path / "crl"
    file.write_bytes(one.public_bytes(serialization.Encoding.DER))
    assert read_lists(file) == (one,)
    file.write_bytes(b"<html>")
    for path in (file, tmp_path / "absent"):
        with pytest.raises(ConfigurationError) as raised:
            read_lists(path)
        assert raised.value.code == "CRL_UNREADABLE"
