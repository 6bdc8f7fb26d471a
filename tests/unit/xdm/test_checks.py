"""Metadata against CDA, and documents against one another: what keeps a document from the DPI, what is only told."""

from pathlib import Path

import pytest

from pfi.model.document import Document
from pfi.model.finding import Finding, Severity
from pfi.model.submission import Request
from pfi.standards.xdm.checks import CheckedArchive, check_received
from pfi.standards.xdm.reader import read_archive
from tests.unit.cda.official import DOCUMENTS, needs_documents
from tests.unit.mssante.material import MATRICULE, cda, document
from tests.unit.xdm.parcels import checked, members, metadata, replacing, zipped

TRAITS = ("PAT-TROIS", "DOMINIQUE", "19790328", MATRICULE, "IPP-4711", "MARIE")
TYPE = 'mimeType="text/xml"'
PARENT_ID = '<parentDocument><id root="1.2.250.1.999.1.1.6"/></parentDocument>'
PARENT = f'<relatedDocument typeCode="RPLC">{PARENT_ID}</relatedDocument>'


def later_version() -> Document:
    return replacing("<componentOf>", f"{PARENT}<componentOf>")


def told(result: CheckedArchive) -> dict[str, Severity]:
    """Codes and severities; no text may show a trait, and every finding cites its rule."""
    for finding in result.all_findings:
        assert not any(trait in finding.text for trait in TRAITS)
        assert finding.text.endswith(".")
        assert "digest §" in finding.rule
    return {finding.code: finding.severity for finding in result.all_findings}


def errors(result: CheckedArchive) -> list[tuple[str, str]]:
    """(code, code of the MDN) of what keeps documents from the DPI."""
    told(result)
    refused = [finding for finding in result.all_findings if finding.severity is Severity.ERROR]
    assert all(finding.err3 == "207" for finding in refused)
    return [(finding.code, finding.err5) for finding in refused]


def test_a_sound_archive_is_accepted_without_a_word() -> None:
    sound = document()
    result = checked(sound)
    assert result.all_findings == ()
    assert [each.document for each in result.accepted] == [sound]


@needs_documents
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_official_document_that_we_send_is_accepted(path: Path) -> None:
    sent = document(path.read_bytes())
    result = checked(sent, patient=sent.header.patient)
    assert set(told(result)) == ({"XDM_ACTION_MISSING"} if sent.header.replaced is not None else set())
    assert [each.document for each in result.accepted] == [sent]


# --- bytes ---


@pytest.mark.parametrize(
    ("slot", "value", "code", "severity"),
    [
        ("hash", "0" * 40, "XDM_HASH_DIFFERS", Severity.ERROR),
        ("hash", "", "XDM_HASH_MISSING", Severity.WARNING),
        ("hash", "0" * 64, "XDM_HASH_MISSING", Severity.WARNING),
        ("size", "12", "XDM_SIZE_DIFFERS", Severity.ERROR),
        ("size", "", "XDM_SIZE_MISSING", Severity.WARNING),
        ("size", "douze", "XDM_SIZE_MISSING", Severity.WARNING),
    ],
)
def test_hash_and_size_are_those_of_the_exact_bytes(slot: str, value: str, code: str, severity: Severity) -> None:
    sound = document()
    old = sound.sha1 if slot == "hash" else str(sound.size)
    result = checked(sound, entry=(f"<rim:Value>{old}<", f"<rim:Value>{value}<"))
    assert told(result) == {code: severity}
    assert len(result.accepted) == (severity is Severity.WARNING)


def test_one_changed_byte_is_seen() -> None:
    changed = document().content.replace(b"CR d'imagerie", b"CR d'Imagerie")
    assert errors(check_received(read_archive(zipped(members(DOC0001=changed))))) == [("XDM_HASH_DIFFERS", "906")]


# --- which document ---


def test_another_document_than_announced_is_refused() -> None:
    result = checked(entry=('value="1.2.250.1.999.1.1.7"', 'value="1.2.250.1.999.1.1.9"'))
    assert errors(result) == [("XDM_UNIQUE_ID_DIFFERS", "906")]
    assert result.accepted == ()


@pytest.mark.parametrize("written", ["1.2.250.1.999.7^58132", "1.2.250.1.999.7.58132"])
def test_an_identifier_with_extension_may_be_glued(written: str) -> None:
    extended = replacing('<id root="1.2.250.1.999.1.1.7"/>', '<id root="1.2.250.1.999.7" extension="58132"/>')
    assert told(checked(extended, entry=('value="1.2.250.1.999.7^58132"', f'value="{written}"'))) == {}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (('value="1.2.250.1.999.1.1.7"', 'value=""'), "XDM_UNIQUE_ID_MISSING"),
        (('nodeRepresentation="18748-4"', 'nodeRepresentation="11490-0"'), "XDM_TYPE_DIFFERS"),
        (('nodeRepresentation="N"', 'nodeRepresentation="R"'), "XDM_CONFIDENTIALITY_DIFFERS"),
    ],
)
def test_what_the_cda_says_better_is_only_told(entry: tuple[str, str], code: str) -> None:
    result = checked(entry=entry)
    assert told(result) == {code: Severity.WARNING}
    assert len(result.accepted) == 1


def test_two_documents_with_one_identifier_are_refused() -> None:
    result = checked(document(), document(cda(title="Autre")))
    assert errors(result) == [("XDM_UNIQUE_ID_REPEATED", "906")]
    assert result.accepted == ()


# --- action ---


@pytest.mark.parametrize(
    ("request_kind", "sent", "expected"),
    [
        (Request.REPLACE, document(), {"XDM_PARENT_MISSING": Severity.ERROR}),
        (Request.REPLACE, later_version(), {}),
        (Request.INITIAL, later_version(), {"XDM_ACTION_MISSING": Severity.WARNING}),
        (Request.DELETE, document(), {}),
        (Request.DELETE, later_version(), {}),
    ],
)
def test_the_action_agrees_with_the_cda(request_kind: Request, sent: Document, expected: dict[str, Severity]) -> None:
    assert told(checked(sent, request=request_kind)) == expected


def test_an_unknown_action_is_refused() -> None:
    result = checked(later_version(), request=Request.REPLACE, entry=("<rim:Value>C<", "<rim:Value>Z<"))
    assert errors(result) == [("XDM_ACTION_UNKNOWN", "906")]


# --- which patient ---

PATIENT_ID = f"{MATRICULE}^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH"


@pytest.mark.parametrize(
    "other",
    [
        "279035121518990^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH",
        f"{MATRICULE}^^^&amp;1.2.250.1.213.1.4.8&amp;ISO^NH",
        "IPP-4712^^^&amp;1.2.250.1.999.9&amp;ISO^PI",
        "IPP-4711^^^&amp;1.2.250.1.999.10&amp;ISO^PI",
    ],
)
def test_the_patient_of_the_metadata_must_be_the_one_of_the_cda(other: str) -> None:
    written = metadata().decode().replace(PATIENT_ID, other).encode()
    result = check_received(read_archive(zipped(members(METADATA=written))))
    assert errors(result) == [("XDM_PATIENT_ID_DIFFERS", "904")]
    assert result.accepted == ()


@pytest.mark.parametrize(
    "other",
    [
        PATIENT_ID,
        f"{MATRICULE}^^^ASIP-SANTE-INS-NIR&amp;1.2.250.1.213.1.4.10&amp;ISO^INS",
        "IPP-4711^^^&amp;1.2.250.1.999.9&amp;ISO^PI",
        "ipp-4711^^^&amp;1.2.250.1.999.9",
    ],
)
def test_any_identifier_of_the_cda_will_do(other: str) -> None:
    written = metadata().decode().replace(PATIENT_ID, other).encode()
    assert errors(check_received(read_archive(zipped(members(METADATA=written))))) == []


def test_an_authority_named_otherwise_is_only_told() -> None:
    written = metadata().decode().replace(PATIENT_ID, "IPP-4711^^^CH EXEMPLE&amp;750000001&amp;M^PI").encode()
    assert told(check_received(read_archive(zipped({**members(METADATA=written)}))))["XDM_PATIENT_AUTHORITY"] is (
        Severity.WARNING
    )


def test_the_lot_and_the_document_name_one_patient() -> None:
    lot, _, documents = metadata().decode().partition("</rim:RegistryPackage>")
    written = lot.replace(MATRICULE, "279035121518990") + "</rim:RegistryPackage>" + documents
    result = check_received(read_archive(zipped(members(METADATA=written.encode()))))
    assert errors(result) == [("XDM_LOT_PATIENT_DIFFERS", "904")]


def test_without_a_patient_in_the_metadata_the_cda_decides() -> None:
    written = metadata().decode().replace(PATIENT_ID, "").encode()
    result = check_received(read_archive(zipped(members(METADATA=written))))
    assert told(result)["XDM_PATIENT_ID_MISSING"] is Severity.WARNING
    assert len(result.accepted) == 1


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (("PID-5|PAT-TROIS^DOMINIQUE", "PID-5|PAT-QUATRE^DOMINIQUE"), "XDM_TRAITS_DIFFER"),
        (("PID-5|PAT-TROIS^DOMINIQUE", "PID-5|PAT-TROIS^CLAUDE"), "XDM_TRAITS_DIFFER"),
        (("PID-7|19790328", "PID-7|19790329"), "XDM_TRAITS_DIFFER"),
        (("PID-8|F", "PID-8|M"), "XDM_TRAITS_DIFFER"),
        (("PID-5|PAT-TROIS^DOMINIQUE", "PID-5|Pat Trois^Dominique"), "XDM_TRAITS_TYPOGRAPHY"),
        (("PID-5|PAT-TROIS^DOMINIQUE", "PID-5|PAT-TROIS^DOMINIQUE MARIE"), ""),
        (("PID-7|19790328", "PID-7|197903"), ""),
        (("PID-8|F", "PID-8|U"), ""),
        (("PID-5|PAT-TROIS^DOMINIQUE^^^^^L", "PID-5|NOM D'USAGE^DOM^^^^^D~PAT-TROIS^DOMINIQUE^^^^^L"), ""),
    ],
)
def test_the_traits_of_the_metadata_are_those_of_the_cda(entry: tuple[str, str], code: str) -> None:
    severity = Severity.ERROR if code == "XDM_TRAITS_DIFFER" else Severity.WARNING
    assert told(checked(entry=entry)) == ({code: severity} if code else {})


def test_a_mail_about_two_patients_is_refused_whole() -> None:
    first = document()
    for other in (
        document(cda(unique_id="1.2.3.4", matricule="279035121518990")),
        replacing('extension="IPP-4711"', 'extension="IPP-4712"', unique_id="1.2.3.4", matricule="279035121518990"),
        document(cda(unique_id="1.2.3.4", family="PAT-QUATRE")),
        replacing("19790328", "19790329", unique_id="1.2.3.4"),
        replacing('"IPP-4711"', '"IPP-4712"', unique_id="1.2.3.4", matricule=None),
    ):
        result = checked(first, other)
        assert ("XDM_SEVERAL_PATIENTS", "904") in errors(result)
        assert result.accepted == ()


def test_two_documents_of_one_patient_share_an_identifier() -> None:
    with_ins, without = document(), document(cda(unique_id="1.2.3.4", matricule=None))
    result = checked(with_ins, without, qualified=False)
    assert errors(result) == []
    assert len(result.accepted) == 2


def test_traits_written_otherwise_in_two_documents_are_told() -> None:
    result = checked(document(), document(cda(unique_id="1.2.3.4", family="Pat Trois")))
    assert told(result)["XDM_TRAITS_VARY"] is Severity.WARNING
    assert len(result.accepted) == 2


def test_a_patient_without_a_name_is_refused() -> None:
    unnamed = replacing('<family qualifier="BR">PAT-TROIS</family>', "")
    assert ("XDM_PATIENT_NAME_MISSING", "906") in errors(checked(unnamed))


def test_two_ins_in_one_cda_are_refused() -> None:
    second = '<id extension="279035121518990" root="1.2.250.1.213.1.4.10"/>'
    doubtful = replacing('<id extension="IPP-4711"', f'{second}<id extension="IPP-4711"')
    (finding,) = [each for each in checked(doubtful).all_findings if each.severity is Severity.ERROR]
    assert isinstance(finding, Finding)
    assert (finding.code, finding.where) == ("CDA_INS_SEVERAL", "DOC[1]/recordTarget/patientRole/id")


# --- what is no CDA ---


@pytest.mark.parametrize("content", [b"", b"<a/>", b"%PDF-1.4", b"<!DOCTYPE a><a/>"])
def test_what_is_no_cda_is_refused_with_the_reason_of_the_reader(content: bytes) -> None:
    result = check_received(read_archive(zipped(members(DOC0001=content))))
    assert any(code.startswith(("XML_", "CDA_")) for code, _ in errors(result))
    assert result.accepted == ()
    assert result.documents[0].document is None


def test_one_broken_document_does_not_stop_the_others() -> None:
    sound, other = document(), document(cda(unique_id="1.2.3.4"))
    written = metadata(sound, other)
    files = {**members(METADATA=written, DOC0002=other.content[:-20])}
    result = check_received(read_archive(zipped(files)))
    assert [each.document for each in result.accepted] == [sound]


def test_a_pdf_among_the_documents_is_left_aside() -> None:
    sound, pdf = document(), document(cda(unique_id="1.2.3.4"))
    head, second = metadata(sound, pdf).decode().rsplit(TYPE, 1)
    result = check_received(
        read_archive(
            zipped(
                members(METADATA=f'{head}mimeType="application/pdf"{second}'.encode(), DOC0002=pdf.content),
            )
        )
    )
    assert told(result)["XDM_NOT_CDA"] is Severity.WARNING
    assert [each.document for each in result.accepted] == [sound]


def test_a_mail_with_nothing_but_pdf_is_refused() -> None:
    assert errors(checked(entry=(TYPE, 'mimeType="application/pdf"'))) == [("XDM_CDA_NONE", "906")]
