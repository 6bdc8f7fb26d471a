"""What a mail says, read by the independent reader."""

import base64
import io
import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pypdf
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
from tests.unit.mssante.reader import attachments, read_mail
from tests.unit.mssante.xdm import PATIENT_ID, SET_SOURCE_ID, SET_UNIQUE_ID, read_archive

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


def test_a_replacement_is_announced_in_the_subject_only_where_the_site_wants_it() -> None:
    replacement = delivery(request=Request.REPLACE)
    usual = "XDM/1.0/DDM+CR d'imagerie médicale PAT-TROIS DOMINIQUE 28/03/1979"
    assert mail_of(replacement)["Subject"] == usual
    assert mail_of(replacement, replacement_in_subject=True)["Subject"] == f"[Annule et remplace] {usual}"
    for other in (delivery(), delivery(request=Request.DELETE)):
        assert mail_of(other, replacement_in_subject=True)["Subject"] == usual


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


def test_an_ins_that_is_not_qualified_stays_out_even_when_the_message_gives_it() -> None:
    """INS/va1.53: names, headers, archive, PDF and their metadata."""
    other = Ins("146026322000196", INS_OID)
    told = replace(PATIENT, ins=Ins(MATRICULE, INS_OID), other_ins=(other,))
    content = preview(delivery(documents=(document(cda(matricule=None)),), qualified=False, patient=told))
    mail = read_mail(content)
    files = attachments(mail)
    archive = read_archive(files["IHE_XDM.ZIP"])
    pdf = next(each for name, each in files.items() if name.endswith(".pdf"))
    words = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    shown = [*map(str, mail.values()), *files, body_of(mail), words]
    shown += [member.decode() for member in archive.members.values()]
    for secret in (MATRICULE, MATRICULE[:13], other.matricule, "1.2.250.1.213.1.4."):
        assert not any(secret in each.replace(" ", "") for each in shown)
    assert mail["X-MSS-INS"] == "N"


def test_a_complete_identity_that_is_not_qualified_is_not_announced() -> None:
    assert mail_of(delivery())["X-MSS-INS"] == "O"
    assert mail_of(delivery(qualified=False))["X-MSS-INS"] == "N"


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


@pytest.mark.parametrize("code", ["18748-4&#13;&#10;Bcc: a@x.fr", "18748,4", "É", "A" * 61])
def test_a_code_that_no_header_can_carry_sends_nothing(code: str) -> None:
    with pytest.raises(SenderDataError, match="CDA_CODE_UNUSABLE"):
        preview(delivery(documents=(document(cda(code=code)),)))


def test_no_text_of_the_site_reaches_a_header_of_its_own() -> None:
    attack = "Hôpital\r\nBcc: espion@x.fr"
    mail = mail_of(delivery(), mailbox_label=attack, establishment=attack, establishment_phone=attack)
    assert "Bcc" not in mail
    assert mail["From"].addresses[0].display_name == "Hôpital Bcc: espion@x.fr"
    assert mail["From"].addresses[0].addr_spec == "pfi.app@ch-exemple.mssante.fr"


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


@pytest.mark.parametrize(("channel", "limit"), [(Channel.CIT, "max_bytes_patient"), (Channel.PRO, "max_bytes")])
def test_the_limit_counts_the_whole_mail_as_it_leaves(channel: Channel, limit: str) -> None:
    size = len(preview(delivery(channel)))
    assert len(preview(delivery(channel), **{limit: size})) == size
    with pytest.raises(SenderDataError, match="523"):
        preview(delivery(channel), **{limit: size - 1})


def test_mon_espace_sante_s_25_mb_are_counted_once_encoded() -> None:
    def sized(pdf: int) -> Delivery:
        noise = random.Random(1).randbytes(pdf)  # noqa: S311 - no secret
        return delivery(Channel.CIT, documents=(document(cda(pdf=PDF + noise)),))

    assert len(preview(sized(9_000_000))) < 25_000_000
    with pytest.raises(SenderDataError, match="523"):
        preview(sized(11_000_000))  # some 20 MB of files
    assert len(preview(replace(sized(11_000_000), channel=Channel.PRO))) > 25_000_000


def test_another_process_writes_the_same_bytes() -> None:
    """Whatever its hash seed, its time zone and its language; with a PDF that it renders itself."""
    code = (
        "import hashlib; from tests.unit.mssante.test_composition import *; "
        "given = [delivery(c, request=r, documents=(document(cda()), document())) for c in Channel for r in Request "
        "if c is not Channel.DMP]; "
        "print(*(hashlib.sha256(preview(each)).hexdigest() for each in given))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": language},
            cwd=Path(__file__).resolve().parents[3],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, zone, language in (("1", "Pacific/Auckland", "C"), ("4242", "America/Lima", "C.UTF-8"))
    ]
    assert printed[0] == printed[1]
    assert len(set(printed[0].split())) == 6


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
