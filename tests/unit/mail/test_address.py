import pytest

from pfi.model.patient import Ins
from pfi.standards.mail import address


@pytest.mark.parametrize(
    ("given", "usable"),
    [
        ("Dr.Essai@Medecin.MSSante.FR", "Dr.Essai@medecin.mssante.fr"),
        ("  a+b@x-y.mssante.fr \n", "a+b@x-y.mssante.fr"),
        ("contact@hôpital.mssante.fr", "contact@xn--hpital-ixa.mssante.fr"),
    ],
)
def test_an_address_is_written_as_smtp_wants_it(given: str, usable: str) -> None:
    assert address.normalize(given) == usable


@pytest.mark.parametrize(
    "given",
    [
        "",
        "sans-arobase",
        "@mssante.fr",
        "a@",
        "a@localhost",
        "a b@x.fr",
        "a@x.fr>\r\nRCPT TO:<b@x.fr",
        "a@x.fr\r\nBcc: b@x.fr",
        '"a b"@x.fr',
        "é@x.fr",
        "a@x..fr",
        "a@-x.fr",
        "<a@x.fr>",
        "a" * 65 + "@x.fr",
        "a@" + "b" * 64 + ".fr",
        "a@" + ".".join(["b" * 60] * 5) + ".fr",
        "a..b@x.fr",
    ],
)
def test_what_smtp_cannot_carry_safely_is_not_an_address(given: str) -> None:
    assert address.normalize(given) is None


@pytest.mark.parametrize(
    ("matricule", "mailbox"),
    [
        ("279035121518989", "279035121518989@patient.mssante.fr"),
        ("297022a02077878", "297022A02077878@patient.mssante.fr"),
        (" 146026322000196 ", "146026322000196@patient.mssante.fr"),
        ("2790351215189", None),
        ("27707279035121518989", None),
        ("2790C5121518989", None),
        ("", None),
    ],
)
def test_a_patients_mailbox_is_their_matricule_with_its_key(matricule: str, mailbox: str | None) -> None:
    assert address.patient_address(Ins(matricule, "1.2.250.1.213.1.4.10")) == mailbox


def test_the_domain_alone_makes_a_patient() -> None:
    assert address.is_patient("279035121518989@Patient.MSSante.fr ")
    assert not address.is_patient("patient.mssante.fr@medecin.mssante.fr")


def test_mailboxes_are_compared_without_case() -> None:
    assert address.same_mailbox("297022a02077878@patient.mssante.fr", " 297022A02077878@PATIENT.mssante.fr")
    assert not address.same_mailbox("a@x.fr", "b@x.fr")
