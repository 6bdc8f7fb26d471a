"""CDA header -> XDS metadata, rule by rule (DMP digest §3.1)."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pfi.model.document import CdaHeader, CodedValue, Document, DocumentId, Level
from pfi.model.finding import Severity
from pfi.model.parties import Author, Organization, Person
from pfi.model.patient import Identifier, Ins, Patient
from pfi.model.submission import Orders
from pfi.standards.xds.mapping import author_entry, document_entry, patient_id, submission_set
from pfi.standards.xds.metadata import DocumentEntry
from tests.unit.xds.documents import INS_OID, MATRICULE, N3_BODY, cda, document

PATIENT_ID = f"{MATRICULE}^^^&{INS_OID}&ISO^NH"


def entry_of(mapped: Document, orders: Orders | None = None) -> DocumentEntry:
    return document_entry(mapped, entry_id="Document01", patient_id=PATIENT_ID, orders=orders or Orders())


def codes(values: tuple[CodedValue, ...]) -> list[str]:
    return [value.code for value in values]


def test_a_complete_document_gives_every_required_metadata() -> None:
    entry = entry_of(document())
    assert entry.findings == ()
    assert entry.mime_type == "text/xml"
    assert entry.unique_id == "1.2.250.1.999.1.1.7001"
    assert entry.title == "CR de consultation"
    assert entry.language == "fr-FR"
    assert entry.creation_time == "20240102091500"
    assert (entry.service_start_time, entry.service_stop_time) == ("20240102080000", "20240102081000")
    assert entry.type_code == CodedValue("11488-4", "CR de consultation", "2.16.840.1.113883.6.1")
    assert entry.class_code == CodedValue("10", "Compte rendu", "1.2.250.1.213.1.1.4.1")
    assert entry.facility_type == CodedValue("SA01", "Etablissement public de santé", "1.2.250.1.71.4.2.4")
    assert entry.practice_setting == CodedValue("ETABLISSEMENT", "Etablissement de santé", "1.2.250.1.213.1.1.4.9")
    assert entry.legal_authenticator == "801234567897^HODA^Adam^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"


def test_hash_and_size_are_those_of_the_exact_bytes_received() -> None:
    content = b"\xef\xbb\xbf" + cda(title="Équipe")
    entry = entry_of(document(content))
    assert entry.hash == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert entry.size == len(content)


def test_an_author_keeps_role_speciality_and_structure() -> None:
    (author,) = entry_of(document()).authors
    assert author.person.startswith("801234567897^HODA^Adam")
    assert author.institutions == (r"CH \T\ Clinique de test^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750000001",)
    assert author.roles == ("Médecin responsable",)
    assert author.specialties == ("G15_10/SM26^Médecin - Médecine générale (SM)^1.2.250.1.213.1.1.4.5",)


def test_a_pdf_body_gives_the_pdf_format() -> None:
    format_code = entry_of(document()).format_code
    assert format_code is not None
    assert (format_code.code, format_code.system) == ("urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3")


def test_a_structured_body_gives_the_format_of_its_template() -> None:
    format_code = entry_of(document(body=N3_BODY, template="1.2.250.1.213.1.1.1.29")).format_code
    assert format_code is not None
    assert format_code.code == "urn:asip:ci-sis:ldl-ses:2017"
    assert format_code.system == "1.2.250.1.213.1.1.4.2.282"


def test_the_local_identifier_is_the_source_patient_id() -> None:
    assert entry_of(document()).source_patient_id == "123456^^^&1.2.250.1.999.2&ISO^PI"


def test_without_a_local_identifier_the_ins_is_the_source_patient_id() -> None:
    entry = entry_of(document(without=('<id extension="123456" root="1.2.250.1.999.2"/>',)))
    assert entry.source_patient_id == PATIENT_ID


def test_source_patient_info_lists_the_traits() -> None:
    assert entry_of(document()).source_patient_info == (
        "PID-3|123456^^^&1.2.250.1.999.2&ISO^PI",
        "PID-5|PAT-TROIS^DOMINIQUE^^^^^L",
        "PID-7|19790328",
        "PID-8|F",
    )


def test_the_used_name_is_one_more_name() -> None:
    used = '<family qualifier="CL">DURAND</family><given qualifier="CL">DOMI</given>'
    assert "PID-5|DURAND^DOMI^^^^^D" in entry_of(document(used_name=used)).source_patient_info


def test_the_event_list_holds_the_act_and_the_modality_but_not_its_billing_code() -> None:
    assert codes(entry_of(document()).event_codes) == ["11488-4", "CT"]


def test_orders_are_references() -> None:
    fulfilment = (
        '<inFulfillmentOf><order><id root="1.2.3" extension="A1"/>'
        '<x:accessionNumber xmlns:x="urn:dicom-org:ps3-20" root="1.2.4" extension="B2"/></order></inFulfillmentOf>'
    )
    assert entry_of(document(fulfilment=fulfilment)).reference_ids == (
        "A1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:order",
        "B2^^^&1.2.4&ISO^urn:ihe:iti:xds:2013:accession",
    )


def test_the_id_of_the_act_is_a_study_only_in_imaging() -> None:
    study = '<id root="1.2.840.99.1"/>'
    assert entry_of(document(event_ids=study)).reference_ids == ()
    assert entry_of(document(event_ids=study, type_code="18748-4")).reference_ids == (
        "1.2.840.99.1^^^^urn:ihe:iti:xds:2016:studyInstanceUID",
    )


def test_the_documents_own_confidentiality_comes_first_then_the_orders() -> None:
    orders = Orders(masque_ps=True, invisible_patient=True, invisible_rep_legaux=True)
    entry = entry_of(document(), orders)
    assert codes(entry.confidentiality_codes) == [
        "N",
        "MASQUE_PS",
        "INVISIBLE_PATIENT",
        "INVISIBLE_REPRESENTANTS_LEGAUX",
    ]
    assert entry.confidentiality_codes[1] == CodedValue(
        "MASQUE_PS", "Masqué aux professionnels de santé", "1.2.250.1.213.1.1.4.13"
    )


@pytest.mark.parametrize("orders", [Orders(), Orders(masque_ps=False, invisible_patient=False)])
def test_an_order_that_says_no_or_nothing_adds_no_code(orders: Orders) -> None:
    assert codes(entry_of(document(), orders).confidentiality_codes) == ["N"]


def test_a_long_title_is_cut_to_128_characters_with_a_warning() -> None:
    entry = entry_of(document(title="x" * 200))
    assert len(entry.title) == 128
    assert [finding.code for finding in entry.findings] == ["XDS_TITLE_TRUNCATED"]


def test_a_missing_offset_is_a_warning() -> None:
    entry = entry_of(document(effective_time="20240702101500"))
    assert entry.creation_time == "20240702081500"
    (finding,) = entry.findings
    assert (finding.code, finding.severity) == ("XDS_OFFSET_MISSING", Severity.WARNING)


def test_an_unreadable_time_is_left_out_and_missed() -> None:
    entry = entry_of(document(start="demain"))
    assert entry.service_start_time == ""
    assert {finding.code for finding in entry.findings} == {"XDS_TIME_UNREADABLE", "XDS_SERVICE_START_TIME_MISSING"}


def test_an_id_with_an_extension_is_kept_as_is() -> None:
    entry = entry_of(document(document_id='<id root="1.2.3" extension="AB"/>'))
    assert entry.unique_id == "1.2.3^AB"


def test_a_document_that_lacks_everything_is_mapped_with_one_finding_per_metadata() -> None:
    bare = CdaHeader(
        document_id=DocumentId("1.2.3"),
        code=CodedValue("INCONNU"),
        title="",
        effective_time="",
        confidentiality=CodedValue(""),
        language="",
        set_id=None,
        version_number=None,
        template_ids=(),
        patient=Patient(),
        authors=(Author(),),
        author_times=(),
        custodian=None,
        information_recipients=(),
        legal_authenticator=None,
        participants=(),
        order_ids=(),
        accession_numbers=(),
        service_events=(),
        replaced=None,
        encounter_code=None,
        encounter_start="",
        encounter_stop="",
        facility=None,
        level=Level.N3,
        body_media_type="",
        self_presenting=True,
    )
    entry = document_entry(Document(b"<a/>", bare), entry_id="D", patient_id="", orders=Orders())
    assert entry.mime_type == "application/xslt+xml"
    assert entry.format_code is not None
    assert entry.format_code.code == "urn:asipSante:modelesHorsProfils:2011"
    missing = {finding.code for finding in entry.findings if finding.severity is Severity.ERROR}
    assert {"XDS_TITLE_MISSING", "XDS_AUTHOR_MISSING", "XDS_CLASS_CODE_MISSING", "XDS_PATIENT_ID_MISSING"} <= missing
    assert len(missing) == 13  # all but typeCode, that the document gives; an author who names nobody counts twice


def test_no_finding_quotes_the_document() -> None:
    entry = entry_of(document(title="", start="demain"))
    assert entry.findings
    assert all("PAT-TROIS" not in finding.text and MATRICULE not in finding.text for finding in entry.findings)


def test_a_label_missing_in_the_document_comes_from_the_table() -> None:
    mapped = document(without=(' displayName="CR de consultation"',))
    type_code = entry_of(mapped).type_code
    assert type_code is not None
    assert type_code.label == "CR ou fiche de consultation ou de visite"


def test_a_qualified_patient_is_known_by_the_ins() -> None:
    patient = Patient(ins=Ins(MATRICULE, INS_OID), identifiers=(Identifier("1", "1.2", type_code="PI"),))
    assert patient_id(patient, True) == PATIENT_ID
    assert patient_id(patient, False) == "1^^^&1.2&ISO^PI"


def test_a_patient_without_any_usable_identifier_has_no_id() -> None:
    assert patient_id(Patient(ins=Ins(MATRICULE, INS_OID)), False) == ""
    assert patient_id(Patient(identifiers=(Identifier("1", "1.2", type_code="AN"),)), False) == ""


def test_the_lot_is_signed_by_the_sender_of_the_message_and_dated_in_utc() -> None:
    sender = Author(
        person=Person("801234567897", "1.2.250.1.71.4.2.1", "IDNPS", "DOE", "Jo"),
        organization=Organization("CH", "1750000001", "1.2.250.1.71.4.2.2", "IDNST"),
    )
    lot = submission_set(
        entry_id="SubmissionSet01",
        unique_id="1.2.3",
        source_id="1.2.4",
        patient_id=PATIENT_ID,
        submitted_at=datetime(2024, 7, 2, 10, 0, tzinfo=UTC),
        patient_class="I",
        sender=sender,
    )
    assert lot.submission_time == "20240702100000"
    assert lot.content_type.code == "03"
    assert lot.author == author_entry(sender)
    assert lot.author is not None
    assert lot.author.person.startswith("801234567897^DOE^Jo")


@pytest.mark.parametrize(
    ("patient_class", "expected"), [("O", "07"), ("E", "07"), ("R", "19"), ("N", "97"), ("", "04")]
)
def test_the_patient_class_proposes_the_content_type(patient_class: str, expected: str) -> None:
    lot = submission_set(
        entry_id="S",
        unique_id="1",
        source_id="1",
        patient_id="",
        submitted_at=datetime.now(UTC),
        patient_class=patient_class,
        sender=None,
        default_content_type="04",
    )
    assert lot.content_type.code == expected
    assert lot.author is None


def test_the_practice_setting_is_the_principal_events() -> None:
    mapped = document()
    principal = mapped.header.service_events[0]
    other = replace(principal, start="", practice_setting=CodedValue("AMBULATOIRE"))
    header = replace(mapped.header, service_events=(other, principal))
    practice = entry_of(Document(mapped.content, header)).practice_setting
    assert practice is not None
    assert practice.code == "ETABLISSEMENT"
