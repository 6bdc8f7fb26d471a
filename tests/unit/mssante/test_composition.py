"""What a mail says, read by the independent reader."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.mssante.connector import MssanteConnector
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery
from pfi.model.errors import SenderDataError
from pfi.model.patient import Ins, Traits
from pfi.model.submission import Orders, Request
from tests.unit.mssante.material import (
    INS_OID,
    MATRICULE,
    PATIENT,
    PATIENT_ADDRESS,
    PDF,
    SURROUNDINGS,
    cda,
    delivery,
    document,
    patient_recipient,
    professional,
    settings,
)
from tests.unit.mssante.reader import PATIENT_ID, SET_SOURCE_ID, SET_UNIQUE_ID, attachments, read_archive, read_mail

UNQUALIFIED: dict[str, Any] = {"qualified": False, "patient": replace(PATIENT, ins=None)}


def preview(given: Delivery, **changes: Any) -> bytes:
    return MssanteConnector(settings(**changes), SURROUNDINGS).preview(given).content


def mail_of(given: Delivery, **changes: Any) -> EmailMessage:
    return read_mail(preview(given, **changes))


def body_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_the_mail_to_professionals_names_them_all_and_carries_the_archive_and_the_pdf() -> None:
    mail = mail_of(delivery())
    assert [each.addr_spec for each in mail["To"].addresses] == [
        "dr.essai@medecin.mssante.fr",
        "secretariat@ch-voisin.mssante.fr",
    ]
    assert mail["Subject"] == "XDM/1.0/DDM+CR d'imagerie médicale PAT-TROIS DOMINIQUE 28/03/1979"
    assert mail["Reply-To"] == "secretariat.imagerie@ch-exemple.mssante.fr"
    assert mail["From"].addresses[0].display_name == "CH d'Exemple – Diffusion"
    assert mail["Message-ID"] == "<9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11@ch-exemple.mssante.fr>"
    assert (mail["X-MSS-CODECDA"], mail["X-MSS-INS"], mail["X-MSS-NIL"]) == ("18748-4", "O", "9999-TEST")
    assert "X-MSS-MES" not in mail
    assert "Disposition-Notification-To" not in mail
    files = attachments(mail)
    assert list(files) == ["IHE_XDM.ZIP", "20260304_CR d'imagerie médicale_PAT-TROIS_DOMINIQUE_26000123.pdf"]
    assert files["20260304_CR d'imagerie médicale_PAT-TROIS_DOMINIQUE_26000123.pdf"] == PDF


def test_the_archive_carries_the_document_unchanged_with_the_patient_and_the_ids_of_the_delivery() -> None:
    given = delivery()
    archive = read_archive(attachments(mail_of(given))["IHE_XDM.ZIP"])
    (entry,) = archive.entries
    assert archive.document(entry) == given.documents[0].content
    assert entry.identifiers[PATIENT_ID] == f"{MATRICULE}^^^&{INS_OID}&ISO^NH"
    assert archive.set_identifiers[SET_UNIQUE_ID] == "2.25.101"
    assert archive.set_identifiers[SET_SOURCE_ID] == "1.2.250.1.999.1"
    assert "CH d'Exemple" in archive.members["README.TXT"].decode()


def test_the_patients_mail_closes_the_exchange_only_when_asked() -> None:
    closed = delivery(Channel.CIT, orders=Orders(dest_mss_pat=True, close_exchange=True))
    assert mail_of(closed)["X-MSS-MES"] == "FIN"
    assert "pas possible de répondre" in body_of(mail_of(closed))
    assert "X-MSS-MES" not in mail_of(delivery(Channel.CIT))
    assert "X-MSS-MES" not in mail_of(delivery(orders=Orders(dest_mss_ps=True, close_exchange=True)))


def test_a_reading_notice_goes_to_the_mailbox_when_asked() -> None:
    asked = mail_of(delivery(orders=Orders(dest_mss_ps=True, ack_lecture_mss=True)))
    assert asked["Disposition-Notification-To"] == "pfi.app@ch-exemple.mssante.fr"


def test_the_senders_text_is_the_body_and_a_blank_one_is_replaced() -> None:
    assert body_of(mail_of(delivery(body="Bonjour,\n\nVoici l'examen."))) == "Bonjour,\r\n\r\nVoici l'examen.\r\n"
    assert "CR d'imagerie médicale" in body_of(mail_of(delivery(body=" \n ")))
    assert "professionnel" not in body_of(mail_of(delivery(Channel.CIT)))


def test_a_replacement_refers_to_the_first_mail() -> None:
    for known in ("first-id", "first-id@ch-exemple.mssante.fr", "<first-id@ch-exemple.mssante.fr>"):
        mail = mail_of(delivery(request=Request.REPLACE, previous_message_id=known))
        assert mail["References"] == "<first-id@ch-exemple.mssante.fr>"
        assert "remplace" in body_of(mail)
    assert "References" not in mail_of(delivery())


def test_two_renditions_are_two_cda_two_pdf_and_one_label() -> None:
    n1, n3 = document(cda(pdf=PDF, unique_id="1.2.3.1")), document(cda(unique_id="1.2.3.3"))
    mail = mail_of(delivery(documents=(n1, n3)))
    files = attachments(mail)
    assert mail["X-MSS-CODECDA"] == "18748-4,18748-4"
    assert mail["Subject"].startswith("XDM/1.0/DDM+CR d'imagerie")
    assert [name[-6:] for name in files] == ["DM.ZIP", "23.pdf", "_2.pdf"]
    assert list(files.values())[1:] == [PDF, PDF]
    archive = read_archive(files["IHE_XDM.ZIP"])
    assert [archive.document(entry) for entry in archive.entries] == [n1.content, n3.content]


def test_an_identity_that_is_not_qualified_leaves_no_matricule_anywhere() -> None:
    bare = document(cda(matricule=None))
    content = preview(delivery(documents=(bare,), **UNQUALIFIED))
    mail = read_mail(content)
    assert mail["X-MSS-INS"] == "N"
    archive = read_archive(attachments(mail)["IHE_XDM.ZIP"])
    assert archive.entries[0].identifiers[PATIENT_ID] == "IPP-4711^^^&1.2.250.1.999.9&ISO^PI"
    everything = content + b"".join(archive.members.values()) + b"".join(attachments(mail).values())
    assert b"2790351" not in everything
    assert b"1.2.250.1.213.1.4." not in everything
    assert base64.b64encode(MATRICULE.encode()) not in everything


@pytest.mark.parametrize(
    "trait", ['<administrativeGenderCode code="F"', '<birthTime value="19790328"', '<family qualifier="BR">PAT-TROIS']
)
def test_a_missing_strict_trait_makes_the_identity_incomplete(trait: str) -> None:
    emptied = {'code="F"': 'nullFlavor="UNK"', 'value="19790328"': 'nullFlavor="UNK"', "PAT-TROIS": ""}
    content = cda()
    for old, new in emptied.items():
        if old in trait:
            content = content.replace(trait.encode(), trait.replace(old, new).encode())
    assert mail_of(delivery(documents=(document(content),)))["X-MSS-INS"] == "N"
    assert mail_of(delivery(documents=(document(), document(content))))["X-MSS-INS"] == "N"


def test_the_same_delivery_gives_the_same_bytes_on_any_attempt_and_any_connector() -> None:
    first = delivery()
    later = replace(first, attempt=7, recipients=first.recipients[1:], addressees=first.recipients)
    assert preview(first) == preview(first) == preview(later)


@pytest.mark.parametrize("attack", ["X\r\nBcc: espion@x.fr", "X\nBcc: espion@x.fr", "X\x85Bcc: y", 'X" <espion@x.fr>'])
def test_no_value_of_a_message_reaches_a_header_of_its_own(attack: str) -> None:
    hostile = delivery(
        documents=(document(cda(label="Z" + attack.replace("\x85", ""), title="T")),),
        patient=replace(PATIENT, traits=Traits(attack, attack, attack, "19790328", "F")),
        reply_to=attack,
        recipients=(professional(attack), professional("dr.essai@medecin.mssante.fr"), professional(f"a@x.fr{attack}")),
    )
    mail = mail_of(hostile)
    assert "Bcc" not in mail
    assert "Reply-To" not in mail
    assert [each.addr_spec for each in mail["To"].addresses] == ["dr.essai@medecin.mssante.fr"]


def test_an_unusable_reply_address_is_told() -> None:
    connector = MssanteConnector(settings(), SURROUNDINGS)
    composed = connector._composer.compose(delivery(reply_to="pas une adresse"), ["a@x.fr"], [PDF])
    assert any("Reply-To" in warning for warning in composed.warnings)


def test_the_readme_names_what_the_configuration_or_the_message_tells() -> None:
    configured = settings(establishment_id="1990000009", establishment_phone="0100000000", publisher="Éditeur SA")
    content = MssanteConnector(configured, SURROUNDINGS).preview(delivery()).content
    text = read_archive(attachments(read_mail(content))["IHE_XDM.ZIP"]).members["README.TXT"].decode()
    assert "1990000009" in text
    assert "0100000000" in text
    assert "Éditeur SA" in text
    anonymous = preview(delivery(sender=None), establishment="")
    text = read_archive(attachments(read_mail(anonymous))["IHE_XDM.ZIP"]).members["README.TXT"].decode()
    assert "CH d'Exemple" in text


def test_a_document_that_is_not_xml_has_no_preview() -> None:
    with pytest.raises(SenderDataError):
        preview(delivery(documents=(replace(document(), content=b"<a"),)))


def test_a_mail_over_the_configured_size_has_no_preview_because_it_would_not_leave() -> None:
    assert preview(delivery(Channel.CIT), max_bytes=1000)
    with pytest.raises(SenderDataError, match="523"):
        preview(delivery(Channel.CIT), max_bytes_patient=1000)
    with pytest.raises(SenderDataError, match="523"):
        preview(delivery(Channel.PRO), max_bytes=1000)


def test_dates_are_those_of_the_decision() -> None:
    given = delivery(created_at=datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert str(mail_of(given)["Date"]) == "Thu, 31 Dec 2026 23:59:59 +0000"


def test_the_patients_address_is_the_one_of_the_ins() -> None:
    assert mail_of(delivery(Channel.CIT))["To"] == PATIENT_ADDRESS
    computed = delivery(Channel.CIT, recipients=(patient_recipient(""),))
    assert mail_of(computed)["To"] == PATIENT_ADDRESS
    corsican = delivery(
        Channel.CIT,
        patient=replace(PATIENT, ins=Ins("297022A02077878", INS_OID)),
        recipients=(patient_recipient("297022a02077878@patient.mssante.fr"),),
    )
    assert mail_of(corsican)["To"] == "297022A02077878@patient.mssante.fr"
