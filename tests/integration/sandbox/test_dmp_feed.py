"""The sandbox's DMP takes a good lot and refuses every lot that the DMP would refuse."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from connectors.sandbox.certificates import Flaw, Usage
from connectors.sandbox.dmp.patients import DmpState
from connectors.sandbox.dmp.registry import EntryStatus
from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.cda_sample import CDA_ID, INS_OID, MATRICULE, write_cda
from tests.integration.sandbox.dmp_assertion import STRUCTURE, Assertion, Signer
from tests.integration.sandbox.dmp_client import DmpClient
from tests.integration.sandbox.dmp_edits import Edit, drop, drop_slot, swap, with_slot
from tests.integration.sandbox.dmp_request import Feed, next_feed


async def test_a_good_lot_is_stored_byte_for_byte(dmp: DmpClient, sandbox: Sandbox) -> None:
    request = Feed()
    reply = await dmp.feed(request)
    assert (reply.status, reply.success, reply.errors) == (200, True, {})
    (document,) = sandbox.dmp.documents()
    assert document.content == request.cda
    assert document.path.read_bytes() == request.cda
    assert (document.unique_id, document.patient, document.structure) == (CDA_ID, MATRICULE, STRUCTURE)
    assert sandbox.dmp.documents("999999999999999") == ()


async def test_the_answer_relates_to_the_request(dmp: DmpClient) -> None:
    wanted = "urn:uuid:11111111-2222-4333-8444-555555555555"
    edit: Edit = lambda text: re.sub(r"urn:uuid:[0-9a-f-]{36}(?=</wsa:MessageID>)", wanted, text)  # noqa: E731
    assert (await dmp.feed(Feed(envelope_edit=edit))).relates_to == wanted


METADATA = "XDSRegistryMetadataError"
REPOSITORY = "XDSRepositoryMetadataError"
CONTENT = "InvalidDocumentContent"

WRONG_ENTRIES: dict[str, tuple[Edit, str]] = {
    "another hash": (with_slot("hash", "0" * 40), REPOSITORY),
    "upper-case hash": (lambda t: re.sub(r"(?<=<rim:Value>)[0-9a-f]{40}(?=<)", lambda m: m[0].upper(), t), REPOSITORY),
    "another size": (with_slot("size", "12"), REPOSITORY),
    "no hash": (drop_slot("hash"), METADATA),
    "no creationTime": (drop_slot("creationTime"), METADATA),
    "local creationTime": (with_slot("creationTime", "20260105101500"), METADATA),
    "creationTime with a zone": (with_slot("creationTime", "20260105091500+0000"), METADATA),
    "no serviceStopTime": (drop_slot("serviceStopTime"), METADATA),
    "another languageCode": (with_slot("languageCode", "en-US"), METADATA),
    "no legalAuthenticator": (drop_slot("legalAuthenticator"), METADATA),
    "malformed legalAuthenticator": (with_slot("legalAuthenticator", "Docteur Essai"), METADATA),
    "another sourcePatientId": (with_slot("sourcePatientId", "X^^^&amp;1.2.3&amp;ISO^PI"), METADATA),
    "no sourcePatientInfo": (drop_slot("sourcePatientInfo"), METADATA),
    "another birth date": (swap("PID-7|19790328", "PID-7|19790329"), METADATA),
    "another name": (swap("PID-5|PAT-TROIS^", "PID-5|PAT-QUATRE^"), METADATA),
    "another title": (swap('value="Lettre de liaison &amp; synthèse"', 'value="Autre"'), METADATA),
    "another typeCode": (swap('nodeRepresentation="11490-0"', 'nodeRepresentation="34112-3"'), METADATA),
    "another classCode": (swap('nodeRepresentation="10"', 'nodeRepresentation="11"'), METADATA),
    "classCode of another system": (swap("1.2.250.1.213.1.1.4.1<", "1.2.250.1.213.1.1.4.99<"), METADATA),
    "another formatCode": (swap("xds-sd:pdf:2008", "xds-sd:text:2008"), METADATA),
    "formatCode of another system": (swap("1.3.6.1.4.1.19376.1.2.3<", "1.2.3<"), METADATA),
    "another facility": (swap('"SA01"', '"SA07"'), METADATA),
    "another practice setting": (swap('"ETABLISSEMENT"', '"AMBULATOIRE"'), METADATA),
    "restricted confidentiality": (swap('nodeRepresentation="N"', 'nodeRepresentation="R"'), METADATA),
    "another uniqueId": (swap(f'value="{CDA_ID}"', 'value="1.2.3.4"'), METADATA),
    "identifier under another scheme": (swap("58a6f841", "58a6f842"), METADATA),
    "identifier with another name": (swap("XDSDocumentEntry.uniqueId", "XDSDocumentEntry.patientId"), METADATA),
    "another patient": (swap(f'value="{MATRICULE}^', 'value="277076322082910^'), "XDSPatientIdDoesNotMatch"),
    "another mimeType": (swap('mimeType="text/xml"', 'mimeType="application/pdf"'), METADATA),
    "another objectType": (swap('objectType="urn:uuid:7edca82f', 'objectType="urn:uuid:7edca82e'), METADATA),
    "no author": (drop(r'<rim:Classification id="Document01-author".*?</rim:Classification>'), METADATA),
    "another author": (swap("801234567897^ESSAI^Anne", "801234567898^ESSAI^Anne"), METADATA),
    "two titles of classification": (drop(r"<rim:Name><rim:LocalizedString[^>]*libellé[^>]*/></rim:Name>"), METADATA),
    "classification of another object": (swap('classifiedObject="Document01"', 'classifiedObject="Other"'), METADATA),
    "children out of order": (
        lambda t: re.sub(r"(<rim:Slot name=\"creationTime\">.*?</rim:Slot>)(.*)(</rim:ExtrinsicObject>)", r"\2\1\3", t),
        METADATA,
    ),
    "server-side metadata": (swap('<rim:Slot name="size">', '<rim:Slot name="URI">'), METADATA),
    "XDM only metadata and size": (swap('<rim:Slot name="hash">', '<rim:Slot name="URI">'), METADATA),
    "no id": (swap('<rim:ExtrinsicObject id="Document01"', "<rim:ExtrinsicObject"), METADATA),
    "another case of id": (swap('"Document01"', '"document01"'), "XDSMissingDocument"),
}


@pytest.mark.parametrize("name", WRONG_ENTRIES)
async def test_metadata_that_contradict_the_document_are_refused(name: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    edit, code = WRONG_ENTRIES[name]
    reply = await dmp.feed(Feed(entry_edit=edit))
    assert code in reply.errors, reply.errors
    assert sandbox.dmp.documents() == ()


VISIBILITY = (
    '<rim:Classification id="v{n}" classificationScheme="urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f" '
    'classifiedObject="Document01" nodeRepresentation="{code}"><rim:Slot name="codingScheme"><rim:ValueList>'
    "<rim:Value>1.2.250.1.213.1.1.4.13</rim:Value></rim:ValueList></rim:Slot><rim:Name>"
    '<rim:LocalizedString value="libellé"/></rim:Name></rim:Classification>'
)


def with_visibility(*codes: str) -> Edit:
    added = "".join(VISIBILITY.format(n=number, code=code) for number, code in enumerate(codes))
    return lambda text: text.replace("<rim:ExternalIdentifier", added + "<rim:ExternalIdentifier", 1)


async def test_a_masked_document_is_taken(dmp: DmpClient, sandbox: Sandbox) -> None:
    assert (await dmp.feed(Feed(entry_edit=with_visibility("MASQUE_PS")))).success
    assert sandbox.dmp.documents()[0].confidentiality == ("N", "MASQUE_PS")


@pytest.mark.parametrize("codes", [("MASQUE_PS", "INVISIBLE_PATIENT"), ("INVISIBLE_REP_LEGAUX",)])
async def test_forbidden_visibilities_are_refused(codes: tuple[str, ...], dmp: DmpClient) -> None:
    assert METADATA in (await dmp.feed(Feed(entry_edit=with_visibility(*codes)))).errors


WRONG_REGISTRIES: dict[str, tuple[Edit, str]] = {
    "no submissionTime": (drop_slot("submissionTime"), METADATA),
    "submissionTime in the future": (with_slot("submissionTime", "20990101000000"), METADATA),
    "no author of the lot": (drop(r'<rim:Classification id="ssauthor".*?</rim:Classification>'), METADATA),
    "no contentTypeCode": (drop(r'<rim:Classification id="ct".*?</rim:Classification>'), METADATA),
    "contentTypeCode of another system": (swap("1.2.250.1.213.2.2<", "1.2.3<"), METADATA),
    "not marked as a submission set": (drop(r'<rim:Classification id="node"[^>]*/>'), METADATA),
    "sourceId that is not an OID": (swap('value="1.2.250.1.999.7"', 'value="PFI"'), METADATA),
    "no HasMember": (drop(r'<rim:Association id="As1".*?</rim:Association>'), METADATA),
    "no signs": (drop(r'<rim:Association id="Signs".*?</rim:Association>'), METADATA),
    "HasMember not original": (swap("Original", "Reference"), METADATA),
    "association of an unknown type": (swap("AssociationType:signs", "AssociationType:APND"), METADATA),
    "signature not hidden": (swap('"MASQUE_PS"', '"INVISIBLE_REPRESENTANTS_LEGAUX"'), METADATA),
    "signature in French": (swap("<rim:Value>art<", "<rim:Value>fr-FR<"), METADATA),
    "signature with another title": (swap('value="Source"', 'value="Signature"'), METADATA),
    "signature of another event": (swap("1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12.1.1"), METADATA),
    "two objects with one id": (swap('<rim:Association id="As2"', '<rim:Association id="As1"'), METADATA),
    "slot repeated": (swap('name="serviceStopTime"', 'name="serviceStartTime"'), METADATA),
    "foreign element": (swap("</rim:RegistryPackage>", "<x xmlns='urn:x'/></rim:RegistryPackage>"), METADATA),
}


@pytest.mark.parametrize("name", WRONG_REGISTRIES)
async def test_lots_that_do_not_follow_the_registry_are_refused(name: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    edit, code = WRONG_REGISTRIES[name]
    reply = await dmp.feed(Feed(registry_edit=edit))
    assert code in reply.errors, reply.errors
    assert sandbox.dmp.documents() == ()


def _tampered() -> Feed:
    request = Feed()
    return replace(request, sent_cda=request.cda.replace(b"Anne", b"Jean"))


WRONG_LOTS: dict[str, tuple[Callable[[], Feed], str]] = {
    "a document altered on the way": (_tampered, REPOSITORY),
    "no signature": (lambda: Feed(with_signature=False), METADATA),
    "an identifier with an extension": (lambda: Feed(cda=write_cda(extension="1")), METADATA),
    "a type that is not for the DMP": (
        lambda: Feed(cda=write_cda(type_code="51851-4"), type_code="51851-4"),
        METADATA,
    ),
    "a restricted document": (lambda: Feed(cda=write_cda(confidentiality="R")), METADATA),
    "the document of another patient": (
        lambda: Feed(cda=write_cda(matricule="277076322082910")),
        "XDSPatientIdDoesNotMatch",
    ),
    "a document without INS": (lambda: Feed(cda=write_cda(oid="1.2.3.4")), "XDSPatientIdDoesNotMatch"),
    "a document that is not XML": (lambda: Feed(sent_cda=b"%PDF-1.4"), CONTENT),
    "a document that is not a CDA": (lambda: Feed(sent_cda=b"<a/>"), CONTENT),
    "a document with an entity": (
        lambda: Feed(sent_cda=b"<!DOCTYPE a [<!ENTITY e 'x'>]><ClinicalDocument xmlns='urn:hl7-org:v3'/>"),
        CONTENT,
    ),
    "the author of another structure": (
        lambda: Feed(assertion=Assertion(structure="1990000033")),
        METADATA,
    ),
    "twice the same uniqueId": (lambda: Feed(signature_id=CDA_ID), "XDSRepositoryDuplicateUniqueIdInMessage"),
    "a lot signature broken": (lambda: Feed(signed_lot_edit=swap("SigningTime>2", "SigningTime> 2")), CONTENT),
    "a manifest that does not match": (
        lambda: Feed(
            lot_edit=lambda t: re.sub(
                r"(?<=<ds:DigestValue>)[^<A][^<]{40,}(?=</ds:DigestValue></ds:Reference>)", "QUJD", t
            )
        ),
        CONTENT,
    ),
    "a manifest without the submission": (lambda: Feed(lot_edit=swap(">AA==<", ">AAE=<")), CONTENT),
    "a manifest of another document": (lambda: Feed(lot_edit=swap(f"urn:oid:{CDA_ID}", "urn:oid:1.2.3")), CONTENT),
    "another purpose of signature": (lambda: Feed(lot_edit=swap(".12.1.14<", ".12.1.1<")), CONTENT),
    "another signing certificate": (
        lambda: Feed(lot_edit=lambda t: re.sub(r"(?<=<x:DigestValue>)[^<]+", "QUJD", t)),
        CONTENT,
    ),
    "no signature policy": (lambda: Feed(lot_edit=swap("<x:SignaturePolicyImplied/>", "")), CONTENT),
    "canonicalisation without comments": (lambda: Feed(lot_edit=swap("20010315#WithComments", "20010315")), CONTENT),
}


@pytest.mark.parametrize("name", WRONG_LOTS)
async def test_wrong_lots_are_refused(name: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    make, code = WRONG_LOTS[name]
    reply = await dmp.feed(make())
    assert code in reply.errors, (reply.errors, reply.reason)
    assert sandbox.dmp.documents() == ()


@pytest.mark.parametrize("flaw", list(Flaw))
async def test_a_lot_signed_with_a_bad_certificate_is_refused(flaw: Flaw, dmp: DmpClient, sandbox: Sandbox) -> None:
    other = Signer.load(sandbox.certificates.flawed(flaw, Usage.SIGN))
    assert (await dmp.feed(Feed(lot_signer=other))).fault == "DMPInvalidCertificate"


async def test_the_lot_and_the_vihf_have_the_same_signer(dmp: DmpClient, sandbox: Sandbox, tmp_path: object) -> None:
    authentication = Signer.load(sandbox.certificates.auth_cli)
    assert (await dmp.feed(Feed(lot_signer=authentication))).fault == "DMPInvalidCertificate"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (DmpState.CLOSED, "DMPClosed"),
        (DmpState.ABSENT, "XDSUnknownPatientId"),
        (DmpState.OPPOSED, "XDSRepositoryError"),
    ],
)
async def test_only_an_active_dmp_is_fed(state: DmpState, code: str, dmp: DmpClient, sandbox: Sandbox) -> None:
    sandbox.dmp.put_patient(MATRICULE, state)
    assert set((await dmp.feed()).errors) == {code}
    assert sandbox.dmp.documents() == ()


async def test_a_uniqueid_is_never_taken_twice(dmp: DmpClient, sandbox: Sandbox) -> None:
    first = Feed()
    assert (await dmp.feed(first)).success
    again = await dmp.feed(next_feed(first))
    assert "même empreinte" in again.errors["XDSDuplicateUniqueIdInRegistry"]
    other = await dmp.feed(next_feed(first, cda=write_cda(body=b"%PDF-1.4 autre")))
    assert "empreinte différente" in other.errors["XDSDuplicateUniqueIdInRegistry"]
    assert len(sandbox.dmp.documents()) == 1


async def test_a_submission_set_is_never_taken_twice(dmp: DmpClient) -> None:
    first = Feed()
    assert (await dmp.feed(first)).success
    other = next_feed(
        first, cda=write_cda(identity="1.2.250.1.999.2"), unique_id="1.2.250.1.999.2", submission_id=first.submission_id
    )
    assert set((await dmp.feed(other)).errors) == {"XDSDuplicateUniqueIdInRegistry"}


async def test_a_replacement_deprecates_the_old_document(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    new = Feed(
        cda=write_cda(identity="1.2.250.1.999.2", replaces=CDA_ID),
        unique_id="1.2.250.1.999.2",
        replaces_entry=old.entry_uuid,
    )
    assert (await dmp.feed(new)).success
    before, after = sandbox.dmp.documents()
    assert (before.status, after.status) == (EntryStatus.DEPRECATED, EntryStatus.APPROVED)
    assert after.replaces == CDA_ID


@pytest.mark.parametrize(
    ("target", "replaces", "code"),
    [
        ("urn:uuid:00000000-0000-4000-8000-000000000000", CDA_ID, "UnresolvedReferenceException"),
        (CDA_ID, CDA_ID, "UnresolvedReferenceException"),
        ("", "1.2.250.1.999.77", METADATA),
    ],
)
async def test_a_replacement_must_name_the_entry_of_the_document_that_the_cda_replaces(
    target: str, replaces: str, code: str, dmp: DmpClient, sandbox: Sandbox
) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    new = Feed(
        cda=write_cda(identity="1.2.250.1.999.2", replaces=replaces),
        unique_id="1.2.250.1.999.2",
        replaces_entry=target or old.entry_uuid,
    )
    assert code in (await dmp.feed(new)).errors
    assert len(sandbox.dmp.documents()) == 1


async def test_a_replacement_may_target_another_version_of_the_document_that_its_cda_names(
    dmp: DmpClient, sandbox: Sandbox
) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    third = write_cda(identity="1.2.250.1.999.3", replaces="1.2.250.1.999.2", set_id=f"{CDA_ID}.1", version=3)
    assert (await dmp.feed(Feed(cda=third, unique_id="1.2.250.1.999.3", replaces_entry=old.entry_uuid))).success
    before, after = sandbox.dmp.documents()
    assert (before.status, after.replaces) == (EntryStatus.DEPRECATED, CDA_ID)


async def test_a_replacement_is_announced_by_the_cda(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    silent = write_cda(identity="1.2.250.1.999.2", set_id=f"{CDA_ID}.1", version=2)
    feed = Feed(cda=silent, unique_id="1.2.250.1.999.2", replaces_entry=old.entry_uuid)
    assert METADATA in (await dmp.feed(feed)).errors
    assert [one.status for one in sandbox.dmp.documents()] == [EntryStatus.APPROVED]


async def test_the_document_of_another_structure_is_not_replaced(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    cda = write_cda(identity="1.2.250.1.999.2", replaces=CDA_ID)
    other = Feed(
        cda=cda,
        unique_id="1.2.250.1.999.2",
        replaces_entry=old.entry_uuid,
        assertion=Assertion(structure="1990000033"),
        registry_edit=swap("^^^1990000025", "^^^1990000033"),
    )
    assert "autre structure" in (await dmp.feed(other)).errors[METADATA]
    assert [one.status for one in sandbox.dmp.documents()] == [EntryStatus.APPROVED]


async def test_a_replaced_document_is_not_replaced_again(dmp: DmpClient, sandbox: Sandbox) -> None:
    await dmp.feed()
    (old,) = sandbox.dmp.documents()
    for number, expected in ((2, True), (3, False)):
        identity = f"1.2.250.1.999.{number}"
        current = sandbox.dmp.documents()[0]
        entry = old.entry_uuid if expected else current.entry_uuid
        cda = write_cda(identity=identity, replaces=CDA_ID)
        reply = await dmp.feed(Feed(cda=cda, unique_id=identity, replaces_entry=entry))
        assert reply.success is expected
    assert "XDSRegistryDeprecatedDocumentError" in reply.errors


async def test_the_patient_of_the_assertion_is_the_patient_of_the_lot(dmp: DmpClient) -> None:
    other = Assertion(resource=f"277076322082910^^^&{INS_OID}&ISO^NH")
    assert "XDSPatientIdDoesNotMatch" in (await dmp.feed(Feed(assertion=other))).errors


Packaging = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


WRONG_PACKAGES: dict[str, Packaging] = {
    "no MTOM": lambda h, b: ({"Content-Type": "application/soap+xml"}, b),
    "multipart of another type": lambda h, b: (
        {"Content-Type": h["Content-Type"].replace("application/xop+xml", "text/xml")},
        b,
    ),
    "another start-info": lambda h, b: ({"Content-Type": h["Content-Type"].replace("soap+xml", "xml")}, b),
    "no boundary": lambda h, b: ({"Content-Type": h["Content-Type"].partition("; boundary")[0]}, b),
    "another boundary": lambda h, b: (h, b.replace(b"test-boundary", b"autre-boundary")),
    "no start": lambda h, b: ({"Content-Type": h["Content-Type"].replace('start="<root@test>"; ', "")}, b),
    "another start": lambda h, b: ({"Content-Type": h["Content-Type"].replace("root@test", "other@test")}, b),
    "truncated body": lambda h, b: (h, b[:-30]),
    "part without header end": lambda h, b: (
        h,
        b.replace(b"Content-ID: <doc1@test>\r\n\r\n", b"Content-ID: <doc1@test>"),
    ),
    "malformed part header": lambda h, b: (h, b.replace(b"Content-ID: <doc1@test>", b"doc1@test")),
    "two parts with one id": lambda h, b: (h, b.replace(b"Content-ID: <sig@test>", b"Content-ID: <doc1@test>")),
    "root of another type": lambda h, b: (
        h,
        b.replace(b"Content-Type: application/xop+xml", b"Content-Type: text/xml"),
    ),
    "root in Latin-1": lambda h, b: (h, b.replace(b"charset=UTF-8", b"charset=ISO-8859-1")),
}


async def test_the_content_type_and_the_header_name_the_same_action(dmp: DmpClient, signer: Signer) -> None:
    headers, body = Feed().write(signer)
    other = {"Content-Type": headers["Content-Type"].replace("Set-b", "Set-c")}
    assert (await dmp.post("repository", other, body)).fault == "ActionMismatch"


@pytest.mark.parametrize("name", WRONG_PACKAGES)
async def test_a_body_that_is_not_an_mtom_package_is_a_fault(name: str, dmp: DmpClient, signer: Signer) -> None:
    headers, body = WRONG_PACKAGES[name](*Feed().write(signer))
    reply = await dmp.post("repository", headers, body)
    assert (reply.status, reply.fault) == (500, "Sender")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"cid:doc1@test", b"cid:doc9@test", "XDSMissingDocument"),
        (b"cid:doc1@test", b"cid:sig@test", REPOSITORY),
        (b"Content-Type: text/xml", b"Content-Type: application/pdf", REPOSITORY),
    ],
)
async def test_each_document_is_a_part_of_its_own(
    old: bytes, new: bytes, code: str, dmp: DmpClient, signer: Signer
) -> None:
    headers, body = Feed().write(signer)
    assert code in (await dmp.post("repository", headers, body.replace(old, new))).errors
