"""The mails of `pfi explain --out`, read with the standard library; every MIME defect is an error."""

import io
from email.message import EmailMessage

import pypdf
import pytest

from samples.generator import world
from tests.acceptance.explaining import SAMPLES
from tests.acceptance.outgoing import Outgoing, outgoing, sent_messages
from tests.acceptance.outgoing import outgoing_sample as sample
from tests.unit.mssante.reader import attachments
from tests.unit.mssante.xdm import UNIQUE_ID, Archive, agrees_with_cda, read_archive

PATIENT_DOMAIN = "@patient.mssante.fr"


@pytest.fixture(params=sent_messages(), ids=lambda path: path.stem)
def sent(request: pytest.FixtureRequest) -> Outgoing:
    return outgoing(request.param)


def recipients(mail: EmailMessage) -> list[str]:
    return [address.addr_spec for address in mail["To"].addresses]


def archive_of(mail: EmailMessage) -> Archive:
    return read_archive(attachments(mail)["IHE_XDM.ZIP"])


def decided(sent: Outgoing, channel: str) -> list[str]:
    decision = next(each for each in sent.explained["decisions"] if each["channel"] == channel)
    addresses: list[str] = decision["recipients"]
    return addresses


def text_of(mail: EmailMessage) -> str:
    """Everything that can be read in a mail: headers, body, members of the archive, text of the PDF copies."""
    body = mail.get_body(("plain",))
    assert body is not None
    read = [*map(str, mail.values()), body.get_content()]
    for name, content in attachments(mail).items():
        if name == "IHE_XDM.ZIP":
            read += [member.decode("utf-8", "replace") for member in read_archive(content).members.values()]
        else:
            read += [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]
    return "\n".join(read)


# Samples and official messages ----------------------------------------------------------------------------------------


def test_each_mail_names_the_recipients_that_were_decided_and_nobody_else(sent: Outgoing) -> None:
    for name, mail in sent.mails.items():
        channel = "CIT" if name.startswith("citizen") else "PRO"
        assert sorted(recipients(mail)) == sorted(set(decided(sent, channel)))
        assert [header for header in ("Cc", "Bcc", "Sender") if header in mail] == []


def test_the_patient_s_mail_is_for_the_patient_alone_and_no_other_mail_is(sent: Outgoing) -> None:
    for name, mail in sent.mails.items():
        to_patient = [address.endswith(PATIENT_DOMAIN) for address in recipients(mail)]
        assert all(to_patient) if name.startswith("citizen") else not any(to_patient)


def test_the_archive_holds_the_documents_as_received_with_their_hash_and_size(sent: Outgoing) -> None:
    for mail in sent.mails.values():
        archive = archive_of(mail)
        assert [archive.document(entry) for entry in archive.entries] == list(sent.documents)
        found = [entry.identifiers[UNIQUE_ID] for entry in archive.entries]
        assert found == [each["unique_id"] for each in sent.explained["documents"]]
        for entry, document in zip(archive.entries, sent.documents, strict=True):
            agrees_with_cda(entry, document)


def test_the_headers_of_the_trusted_space_say_what_is_inside(sent: Outgoing) -> None:
    for name, mail in sent.mails.items():
        assert mail["X-MSS-CODECDA"] == ",".join(each["type_code"] for each in sent.explained["documents"])
        assert mail["X-MSS-INS"] in ("O", "N")
        assert mail["X-MSS-NIL"]
        assert "X-MSS-MES" not in mail or (mail["X-MSS-MES"] == "FIN" and name.startswith("citizen"))
        assert str(mail["Subject"]).startswith("XDM/1.0/DDM+")
        assert mail["Date"].datetime.tzinfo is not None
        assert mail["Message-ID"]


def test_a_readable_pdf_of_each_document_is_attached(sent: Outgoing) -> None:
    for mail in sent.mails.values():
        pdfs = {name: content for name, content in attachments(mail).items() if name.lower().endswith(".pdf")}
        assert pdfs
        for content in pdfs.values():
            assert len(pypdf.PdfReader(io.BytesIO(content)).pages) > 0


# Particular mails -----------------------------------------------------------------------------------------------------


def test_a_mail_of_an_unqualified_identity_says_so_and_carries_no_ins_anywhere() -> None:
    mails = sample("identite-provisoire").mails
    assert list(mails) == ["pro-1.eml"]
    mail = mails["pro-1.eml"]
    assert mail["X-MSS-INS"] == "N"
    everything = text_of(mail)
    assert world.PROVISIONAL.family in everything
    assert world.PROVISIONAL.m13 not in everything.replace(" ", "")
    assert "1.2.250.1.213.1.4." not in everything


def test_a_qualified_identity_is_announced() -> None:
    mails = sample("biologie-hors-sejour").mails
    assert {mail["X-MSS-INS"] for mail in mails.values()} == {"O"}


def test_the_patient_is_told_that_the_exchange_is_closed_and_professionals_are_not() -> None:
    mails = sample("lettre-de-consultation-hors-sejour").mails
    assert mails["citizen-1.eml"]["X-MSS-MES"] == "FIN"
    assert "X-MSS-MES" not in mails["pro-1.eml"]


def test_the_pdf_of_a_level_1_document_is_the_sender_s_own() -> None:
    sent = sample("imagerie-hors-sejour")
    (pdf,) = [content for name, content in attachments(sent.mails["pro-1.eml"]).items() if name.endswith(".pdf")]
    assert pdf == (SAMPLES / "pdf/imagerie.pdf").read_bytes()


def test_each_reader_gets_the_body_written_for_him() -> None:
    mails = sample("lettre-de-liaison-en-sejour").mails
    bodies = {name: (mail.get_body(("plain",)) or mail).get_content() for name, mail in mails.items()}
    assert "lettre de liaison de votre patiente" in bodies["pro-1.eml"]
    assert "Votre lettre de liaison est jointe" in bodies["citizen-1.eml"]


def test_answers_go_where_the_sender_wants() -> None:
    (address,) = sample("biologie-hors-sejour").mails["pro-1.eml"]["Reply-To"].addresses
    assert address.addr_spec == "secretariat@labo-exemple.mssante.fr"


def test_a_reading_notice_is_asked_for_only_when_ordered() -> None:
    assert sample("biologie-hors-sejour").mails["pro-1.eml"]["Disposition-Notification-To"]
    assert "Disposition-Notification-To" not in sample("imagerie-hors-sejour").mails["pro-1.eml"]


@pytest.mark.parametrize(
    ("name", "action"),
    [("biologie-hors-sejour", None), ("remplacement-biologie", "C"), ("suppression-lettre-de-liaison", "D")],
)
def test_replacements_and_deletions_say_so_in_the_metadata(name: str, action: str | None) -> None:
    for mail in sample(name).mails.values():
        (entry,) = archive_of(mail).entries
        assert entry.slots.get("urn:action:extraMetadataSlot") == ([action] if action else None)
