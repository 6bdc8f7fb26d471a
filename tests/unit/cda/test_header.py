"""Reading the header of a CDA document."""

import pytest

from pfi.model.document import CodedValue, DocumentId, Level
from pfi.model.parties import Author, Organization, RecipientKind
from pfi.model.patient import Identifier, Ins, Traits
from pfi.standards.cda.header import CdaUnreadableError, read_header
from pfi.standards.cda.tree import parse_cda
from tests.unit.cda.documents import (
    AUTHOR,
    INS_ID,
    IPP_ID,
    PATIENT,
    SERVICE_EVENT,
    document,
    n1,
    n3,
    patient_role,
    section,
)

INS = Ins("279035121518989", "1.2.250.1.213.1.4.10")


def code_of_refusal(content: bytes) -> str:
    with pytest.raises(CdaUnreadableError) as refused:
        read_header(content)
    return refused.value.code


def test_the_identity_of_the_document_is_read() -> None:
    header = read_header(document())
    assert header.document_id == DocumentId("1.2.250.1.999.1.2.1")
    assert header.set_id == DocumentId("1.2.250.1.999.1.2.0")
    assert header.version_number == 1
    assert header.code == CodedValue("11490-0", "Lettre de liaison de sortie", "2.16.840.1.113883.6.1")
    assert header.title == "Lettre de liaison de sortie"
    assert header.effective_time == "20260306090412+0100"
    assert header.confidentiality.code == "N"
    assert header.language == "fr-FR"
    assert header.template_ids == ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.29")
    assert header.replaced is None
    assert not header.self_presenting


def test_the_patient_is_read_with_every_qualifier() -> None:
    patient = read_header(document()).patient
    assert patient.ins == INS
    assert patient.identifiers == (Identifier("8800123", authority_oid="1.2.250.1.999.1.1"),)
    assert patient.other_ins == ()
    assert patient.traits == Traits(
        birth_name="PAT-TROIS",
        first_given_name="DOMINIQUE",
        given_names="DOMINIQUE MARIE-LOUISE",
        birth_date="19790328",
        sex="F",
        birth_place="51215",
        used_name="PAT-DEUX",
        used_given_name="DOM",
    )


def test_a_given_name_list_split_in_several_elements_is_joined_by_blanks() -> None:
    split = PATIENT.replace("<given>DOMINIQUE MARIE-LOUISE</given>", "<given>DOMINIQUE</given><given>MARIE</given>")
    assert read_header(document(record_target=patient_role(patient=split))).patient.traits.given_names == (
        "DOMINIQUE MARIE"
    )


def test_the_withdrawn_qualifier_sp_is_read_as_the_used_name() -> None:
    old = PATIENT.replace('qualifier="CL"', 'qualifier="SP"')
    traits = read_header(document(record_target=patient_role(patient=old))).patient.traits
    assert (traits.used_name, traits.used_given_name) == ("PAT-DEUX", "DOM")


def test_an_unqualified_family_name_is_not_a_birth_name() -> None:
    bare = PATIENT.replace('<family qualifier="BR">', "<family>")
    assert read_header(document(record_target=patient_role(patient=bare))).patient.traits.birth_name == ""


def test_only_the_day_of_a_birth_time_is_kept() -> None:
    timed = PATIENT.replace('value="19790328"', 'value="197903281015+0100"')
    assert read_header(document(record_target=patient_role(patient=timed))).patient.traits.birth_date == "19790328"


def test_an_ins_without_value_is_no_ins() -> None:
    header = read_header(document(record_target=patient_role(ids='<id root="1.2.250.1.213.1.4.8"/>' + IPP_ID)))
    assert header.patient.ins is None
    assert header.patient.identifiers[0] == Identifier("", authority_oid="1.2.250.1.213.1.4.8")


def test_beside_an_nia_the_nir_is_the_ins() -> None:
    nia = '<id root="1.2.250.1.213.1.4.9" extension="279035121518989"/>'
    nir = '<id root="1.2.250.1.213.1.4.8" extension="279035121518989"/>'
    patient = read_header(document(record_target=patient_role(ids=nia + nir))).patient
    assert patient.ins == Ins("279035121518989", "1.2.250.1.213.1.4.8")
    assert patient.other_ins == (Ins("279035121518989", "1.2.250.1.213.1.4.9"),)
    alone = read_header(document(record_target=patient_role(ids=nia))).patient
    assert alone.ins == Ins("279035121518989", "1.2.250.1.213.1.4.9")


@pytest.mark.parametrize(
    ("ids", "first"), [(INS_ID + IPP_ID, True), (IPP_ID + INS_ID, False), (IPP_ID, True), ("", True)]
)
def test_whether_the_ins_comes_first_is_noted(ids: str, first: bool) -> None:
    assert read_header(document(record_target=patient_role(ids=ids))).ins_is_first_id is first


def test_a_patient_role_without_patient_has_no_traits() -> None:
    assert read_header(document(record_target=patient_role(patient=""))).patient.traits == Traits()


def test_an_author_is_a_person_with_profession_role_and_structure() -> None:
    header = read_header(document())
    (author,) = header.authors
    assert header.author_times == ("20260306090000+0100",)
    assert author.person is not None
    assert (author.person.family, author.person.given) == ("ESSAI", "Camille")
    assert (author.person.identifier, author.person.identifier_type) == ("899700000001", "IDNPS")
    assert author.role == "Préleveur"
    assert author.specialty == ("G15_10/SM26", "Médecin généraliste", "1.2.250.1.213.1.1.4.5")
    assert author.organization == Organization("CH Démo", "1750000001", "1.2.250.1.71.4.2.2", "IDNST")
    assert header.custodian == author.organization


@pytest.mark.parametrize(
    ("root", "extension", "kind"),
    [
        ("1.2.250.1.71.4.2.1", "010000001", "IDNPS"),
        ("1.2.250.1.71.4.2.1", "3750000001/42", "EI"),
        ("1.2.250.1.71.4.2.1", "x", ""),
        ("1.2.250.1.213.1.4.10", "279035121518989", "INS"),
        ("1.2.250.1.999.7", "42", ""),
    ],
)
def test_the_type_of_a_person_identifier_follows_its_authority(root: str, extension: str, kind: str) -> None:
    author = AUTHOR.replace('"1.2.250.1.71.4.2.1" extension="899700000001"', f'"{root}" extension="{extension}"')
    person = read_header(document(authors=author)).authors[0].person
    assert person is not None
    assert person.identifier_type == kind


def test_software_may_be_an_author() -> None:
    device = """<author><time value="2026"/><assignedAuthor><id root="1.2.3" extension="42"/><assignedAuthoringDevice>
        <manufacturerModelName>Modèle</manufacturerModelName><softwareName>Logiciel</softwareName>
        </assignedAuthoringDevice></assignedAuthor></author><author><time/></author>"""
    machine, nobody = read_header(document(authors=device)).authors
    assert machine.device is not None
    assert (machine.device.name, machine.device.identifier, machine.device.identifier_oid) == (
        "Modèle Logiciel",
        "42",
        "1.2.3",
    )
    assert machine.person is None
    assert nobody == Author()


def test_recipients_keep_their_mssante_mailbox() -> None:
    middle = """
    <informationRecipient><intendedRecipient><id root="1.2.250.1.71.4.2.1" extension="899700000002"/>
      <telecom value="mailto:dr@example.org"/><telecom value="MAILTO:dr@demo.mssante.fr"/><telecom value="tel:01"/>
      <informationRecipient><name><family>ESSAI</family></name></informationRecipient></intendedRecipient>
    </informationRecipient>
    <informationRecipient><intendedRecipient><telecom value="mailto:a@b.fr"/><receivedOrganization><name>Labo</name>
      </receivedOrganization></intendedRecipient></informationRecipient>
    <informationRecipient><intendedRecipient><id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>
      </intendedRecipient></informationRecipient>
    <informationRecipient/>"""
    professional, organization, patient = read_header(document(middle=middle)).information_recipients
    assert (professional.kind, professional.address) == (RecipientKind.PROFESSIONAL, "dr@demo.mssante.fr")
    assert professional.identifier == "899700000002"
    assert (organization.kind, organization.address) == (RecipientKind.ORGANIZATION, "a@b.fr")
    assert (patient.kind, patient.address) == (RecipientKind.PATIENT, "")


def test_the_legal_authenticator_and_the_participants_are_read() -> None:
    middle = """<legalAuthenticator><time value="2026"/><signatureCode code="S"/><assignedEntity>
      <id root="1.2.250.1.71.4.2.1" extension="899700000001"/></assignedEntity></legalAuthenticator>
      <participant typeCode="INF"><functionCode code="PCP" displayName="Médecin traitant"/>
      <associatedEntity classCode="PROV"><id root="1.2.250.1.71.4.2.1" extension="899700000009"/><associatedPerson>
      <name><family>TRAITANT</family></name></associatedPerson><scopingOrganization nullFlavor="UNK"/>
      </associatedEntity></participant>
      <participant typeCode="REF"><functionCode nullFlavor="UNK"/></participant>"""
    header = read_header(document(middle=middle))
    assert header.legal_authenticator is not None
    assert header.legal_authenticator.person is None
    doctor, unknown = header.participants
    assert (doctor.type_code, doctor.function_code) == ("INF", "PCP")
    assert doctor.party is not None
    assert doctor.party.person is not None
    assert (doctor.party.person.identifier, doctor.party.role) == ("899700000009", "Médecin traitant")
    assert doctor.party.organization is None
    assert (unknown.type_code, unknown.function_code, unknown.party) == ("REF", "", None)


def test_orders_and_accession_numbers_are_read() -> None:
    middle = """<inFulfillmentOf><order><id root="1.2.3" extension="A1"/><id nullFlavor="UNK"/>
      <ps3-20:accessionNumber root="1.2.4" extension="B1"/></order></inFulfillmentOf>
      <inFulfillmentOf><order><id root="1.2.3" extension="A2"/></order></inFulfillmentOf>"""
    header = read_header(document(middle=middle))
    assert header.order_ids == (DocumentId("1.2.3", "A1"), DocumentId("1.2.3", "A2"))
    assert header.accession_numbers == (DocumentId("1.2.4", "B1"),)


def test_the_principal_event_is_the_one_with_a_time_and_a_performer() -> None:
    other = '<documentationOf><serviceEvent><code code="Z13.9"/></serviceEvent></documentationOf>'
    header = read_header(document(events=other + SERVICE_EVENT))
    assert len(header.service_events) == 2
    principal = header.principal_event
    assert principal is header.service_events[1]
    assert [code.code for code in principal.codes] == ["E101", "CT"]
    assert (principal.start, principal.stop) == ("20260306080000+0100", "20260306083000+0100")
    assert principal.practice_setting is not None
    assert principal.practice_setting.code == "ETABLISSEMENT"
    alone = read_header(document(events=other))
    assert alone.principal_event is alone.service_events[0]
    assert read_header(document(events="")).principal_event is None


def test_a_plain_effective_time_is_a_start() -> None:
    event = '<documentationOf><serviceEvent><effectiveTime value="20260306"/></serviceEvent></documentationOf>'
    assert read_header(document(events=event)).service_events[0].start == "20260306"


def test_the_encounter_is_read() -> None:
    header = read_header(document())
    assert header.encounter_code == CodedValue("AMB", "", "2.16.840.1.113883.5.4")
    assert (header.encounter_start, header.encounter_stop) == ("20260306070000+0100", "")
    assert header.facility == CodedValue("SA01", "Établissement public de santé", "1.2.250.1.71.4.2.4")
    without = read_header(document(encounter=""))
    assert without.encounter_code is without.facility is None
    assert without.encounter_start == ""


def test_only_rplc_names_a_replaced_document() -> None:
    related = '<relatedDocument typeCode="{}"><parentDocument><id root="1.2.9"/></parentDocument></relatedDocument>'
    assert read_header(document(after_events=related.format("XFRM"))).replaced is None
    both = related.format("XFRM") + related.format("RPLC")
    assert read_header(document(after_events=both)).replaced == DocumentId("1.2.9")


def test_the_level_follows_the_body() -> None:
    structured = read_header(document(body=n3(section("x"))))
    assert (structured.level, structured.body_media_type) == (Level.N3, "")
    plain = read_header(document(body=n1(b"x", "text/plain")))
    assert (plain.level, plain.body_media_type) == (Level.N1, "text/plain")


@pytest.mark.parametrize("version", ["", '<versionNumber value="un"/>', '<versionNumber value="99999999999"/>'])
def test_a_version_that_is_not_a_number_is_no_version(version: str) -> None:
    assert read_header(document(version=version)).version_number is None


def test_what_is_absent_is_empty() -> None:
    header = read_header(document(title="", time="", language="", authors="", events="", encounter=""))
    assert (header.title, header.effective_time, header.language) == ("", "", "")
    assert not header.authors
    assert not header.author_times
    assert not header.service_events


def test_a_self_presenting_document_is_read_inside_its_stylesheet() -> None:
    inner = document().split(b"?>")[-1]
    sheet = b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><d xmlns="urn:d">'
    header = read_header(sheet + inner + b"</d></xsl:stylesheet>")
    assert header.self_presenting
    assert header.patient.ins == INS
    assert code_of_refusal(sheet + inner + inner + b"</d></xsl:stylesheet>") == "CDA_NOT_A_CLINICAL_DOCUMENT"


def test_a_signed_document_is_refused_with_its_own_code() -> None:
    signed = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>'
    assert code_of_refusal(signed) == "CDA_SIGNED_NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"%PDF-1.7", "XML_NOT_WELL_FORMED"),
        (b"", "XML_EMPTY"),
        (b"<!DOCTYPE ClinicalDocument><ClinicalDocument/>", "XML_DOCTYPE_FORBIDDEN"),
        (b"<ClinicalDocument/>", "CDA_NOT_A_CLINICAL_DOCUMENT"),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "CDA_NOT_A_CLINICAL_DOCUMENT"),
        (document(ids=""), "CDA_ID_MISSING"),
        (document(ids='<id nullFlavor="UNK"/>'), "CDA_ID_MISSING"),
        (document(code='<code nullFlavor="UNK"/>'), "CDA_CODE_MISSING"),
        (document(record_target=""), "CDA_PATIENT_MISSING"),
        (document(record_target=patient_role() + patient_role()), "CDA_SEVERAL_PATIENTS"),
        (document(body=""), "CDA_BODY_MISSING"),
        (document(body="<component/>"), "CDA_BODY_MISSING"),
    ],
)
def test_a_document_without_the_minimum_is_refused(content: bytes, code: str) -> None:
    assert code_of_refusal(content) == code


def test_the_tree_can_be_lent_to_avoid_a_second_parse() -> None:
    content = document()
    assert read_header(b"not looked at", parse_cda(content)) == read_header(content)
