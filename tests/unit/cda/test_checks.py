"""What the official validation lets through and the engine must see."""

import pytest

from pfi.model.finding import Finding, Severity
from pfi.standards.cda.checks import check_header
from pfi.standards.cda.header import read_header
from tests.unit.cda.documents import INS_ID, IPP_ID, document, patient_role


def findings(**parts: str) -> tuple[Finding, ...]:
    return check_header(read_header(document(**parts)))


def told(*ids: str) -> list[tuple[str, Severity]]:
    """Findings of a document whose patient has these identifiers."""
    return [(each.code, each.severity) for each in findings(record_target=patient_role(ids="".join(ids)))]


def ins(matricule: str, oid: str = "1.2.250.1.213.1.4.8") -> str:
    return f'<id root="{oid}" extension="{matricule}"/>'


def test_a_sound_header_has_no_finding() -> None:
    assert findings() == ()


@pytest.mark.parametrize(
    ("part", "value", "code", "severity"),
    [
        ("language", '<languageCode code="fr"/>', "CDA_LANGUAGE", Severity.WARNING),
        ("language", "", "CDA_LANGUAGE", Severity.WARNING),
        ("title", "<title/>", "CDA_TITLE_EMPTY", Severity.WARNING),
        ("title", f"<title>{'x' * 129}</title>", "CDA_TITLE_TOO_LONG", Severity.WARNING),
        ("ids", '<id root="1.2.3" extension="4"/>', "CDA_ID_EXTENSION", Severity.WARNING),
        ("ids", '<id root="90E1C8EC-F951-4B26-A305-A34848818DD6"/>', "CDA_ID_NOT_OID", Severity.WARNING),
        ("ids", '<id root="1.2.03"/>', "CDA_ID_NOT_OID", Severity.WARNING),
        ("ids", f'<id root="1.2.{"3" * 61}"/>', "CDA_ID_NOT_OID", Severity.WARNING),
        ("time", '<effectiveTime value="20260306090412"/>', "CDA_EFFECTIVE_TIME_NO_OFFSET", Severity.WARNING),
        ("time", '<effectiveTime value="20260306"/>', "CDA_EFFECTIVE_TIME_NO_OFFSET", Severity.WARNING),
        ("time", "", "CDA_EFFECTIVE_TIME_UNREADABLE", Severity.ERROR),
        ("time", '<effectiveTime value="20260230090412+0100"/>', "CDA_EFFECTIVE_TIME_UNREADABLE", Severity.ERROR),
        ("time", '<effectiveTime value="06/03/2026"/>', "CDA_EFFECTIVE_TIME_UNREADABLE", Severity.ERROR),
        ("time", '<effectiveTime value="202603060"/>', "CDA_EFFECTIVE_TIME_UNREADABLE", Severity.ERROR),
        ("version", '<versionNumber value="2"/>', "CDA_VERSION_WITHOUT_PARENT", Severity.WARNING),
        (
            "after_events",
            '<relatedDocument typeCode="RPLC"><parentDocument><id root="1.2.250.1.999.1.2.1"/></parentDocument>'
            "</relatedDocument>",
            "CDA_REPLACES_ITSELF",
            Severity.ERROR,
        ),
    ],
)
def test_a_deviation_of_the_header_is_found(part: str, value: str, code: str, severity: Severity) -> None:
    assert [(each.code, each.severity) for each in findings(**{part: value})] == [(code, severity)]


@pytest.mark.parametrize("time", ["20260306090412.123+0100", "2026030609+0100", "202603060904-0330", "20260306Z"])
def test_precisions_with_an_offset_are_accepted(time: str) -> None:
    found = findings(time=f'<effectiveTime value="{time}"/>')
    assert bool(found) is time.endswith("Z")


def test_a_limit_of_128_characters_is_not_exceeded_by_128() -> None:
    assert findings(title=f"<title>{'é' * 128}</title>") == ()


@pytest.mark.parametrize("matricule", ["2790351215189", "27903512151898X", "279032C15189890", "279032a15189890"])
def test_a_malformed_ins_refuses_but_for_test_identities(matricule: str) -> None:
    assert told(ins(matricule)) == [("CDA_INS_MALFORMED", Severity.ERROR)]
    assert told(ins(matricule, "1.2.250.1.213.1.4.10")) == [("CDA_INS_MALFORMED", Severity.WARNING)]


def test_a_corsican_ins_is_well_formed() -> None:
    assert told(ins("297022A02077878")) == []


def test_two_different_nir_refuse_but_nir_and_nia_do_not() -> None:
    assert told(ins("279035121518989"), ins("146026322000196")) == [("CDA_INS_SEVERAL", Severity.ERROR)]
    assert told(ins("279035121518989"), ins("279035121518989", "1.2.250.1.213.1.4.9")) == []


def test_an_ins_that_is_not_the_first_identifier_is_told() -> None:
    assert told(IPP_ID, INS_ID) == [("CDA_INS_NOT_FIRST", Severity.WARNING)]


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        (ins("279035121518989", "1.2.250.1.213.1.4.13"), "CDA_INS_OID_UNKNOWN"),
        (ins("279035121518989", "1.2.250.1.999.1.1"), "CDA_INS_OID_UNKNOWN"),
        (ins("0123456789012345678901", "1.2.250.1.213.1.4.2"), "CDA_INS_OBSOLETE"),
        ('<id root="1.2.250.1.213.1.4.8"/>', "CDA_INS_EMPTY"),
    ],
)
def test_an_identifier_that_only_looks_like_an_ins_is_told(identifier: str, code: str) -> None:
    assert told(identifier) == [(code, Severity.WARNING)]


def test_no_finding_shows_an_identifier_or_a_trait() -> None:
    content = document(
        record_target=patient_role(ids=ins("27903512151898X") + ins("146026322000196")), title="", language="", time=""
    )
    shown = " ".join(each.text for each in check_header(read_header(content)))
    assert shown
    for secret in ("279035", "146026", "PAT-TROIS", "DOMINIQUE", "19790328"):
        assert secret not in shown
