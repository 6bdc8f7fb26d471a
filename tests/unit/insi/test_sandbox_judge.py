"""The sandbox's INSi reads requests as strictly as the contract: a request written by hand, then spoilt."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.sandbox.insi_register import Inquiry
from connectors.sandbox.insi_request import InsiFaultError, RequestJudge

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
SEARCH = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
VERIFY = "urn:ServiceIdentiteCertifiee:1.0.0:verifierInsAvecTraitsIdentite"
UUIDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(4)]
TYPE = "application/soap+xml; charset=UTF-8"
SECURITY = '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"></w:Security>'
LPS = (
    f'<l:ContexteLPS xmlns:l="urn:siram:lps:ctxlps" Nature="CTXLPS" Version="01_00"><l:Id>{UUIDS[0]}</l:Id>'
    "<l:Temps>2026-03-04T11:00:00.000+01:00</l:Temps><l:Emetteur>1990000025</l:Emetteur><l:LPS>"
    f'<l:IDAM R="4">ESSAI</l:IDAM><l:Version>1</l:Version><l:Instance>{UUIDS[1]}</l:Instance>'
    "<l:Nom>urn:lps:essai:1</l:Nom></l:LPS></l:ContexteLPS>"
)
MESSAGE = f'<a:MessageID xmlns:a="http://www.w3.org/2005/08/addressing">uuid:{UUIDS[2]}</a:MessageID>'
BAM = (
    f'<b:ContexteBAM xmlns:b="urn:siram:bam:ctxbam" Nature="CTXBAM" Version="01_02"><b:Id>{UUIDS[3]}</b:Id>'
    "<b:Temps>2026-03-04T10:00:00Z</b:Temps><b:Emetteur>1990000025</b:Emetteur><b:COUVERTURE/></b:ContexteBAM>"
)
ACTION = f'<a:Action xmlns:a="http://www.w3.org/2005/08/addressing">{SEARCH}</a:Action>'
TRAITS = (
    "<i:NomNaissance>PAT-TROIS</i:NomNaissance><i:Prenom>DOMINIQUE</i:Prenom><i:Sexe>F</i:Sexe>"
    "<i:DateNaissance>1979-03-28</i:DateNaissance>"
)
BODY = f'<i:RECSANSVITALE xmlns:i="http://www.cnamts.fr/INSiRecSans">{TRAITS}</i:RECSANSVITALE>'
UNITARY = (
    '<i:IndividuVerifie xmlns:i="http://www.cnamts.fr/INSiLot2/REQUnitaire"><i:INSFourni><i:IdIndividu>'
    "<i:NumIdentifiant>2790351215189</i:NumIdentifiant><i:Cle>89</i:Cle></i:IdIndividu>"
    "<i:OID>1.2.250.1.213.1.4.10</i:OID></i:INSFourni>"
    f"<i:TraitsIdentiteIndividu>{TRAITS}</i:TraitsIdentiteIndividu></i:IndividuVerifie>"
)
REQUEST = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>'
    f"{SECURITY}{LPS}{MESSAGE}{BAM}{ACTION}</s:Header><s:Body>{BODY}</s:Body></s:Envelope>"
)
VERIFICATION = REQUEST.replace(SEARCH, VERIFY).replace(BODY, UNITARY)


def read(request: str, content_type: str = TYPE, now: datetime = NOW) -> Inquiry:
    return RequestJudge().read(request.encode(), content_type, now)


def test_a_right_search_is_read() -> None:
    inquiry = read(REQUEST, f'{TYPE}; action="{SEARCH}"')
    assert inquiry.operation == "rechercherInsAvecTraitsIdentite"
    assert (inquiry.name, inquiry.given, inquiry.sex, inquiry.born) == ("PAT-TROIS", ("DOMINIQUE",), "F", "1979-03-28")
    assert read(REQUEST.replace("</i:RECS", "<i:LieuNaissance>51215</i:LieuNaissance></i:RECS")).place == "51215"


def test_a_right_verification_is_read() -> None:
    inquiry = read(VERIFICATION)
    assert (inquiry.matricule, inquiry.oid) == ("279035121518989", "1.2.250.1.213.1.4.10")
    kind = "</i:Cle><i:TypeMatricule>NIR</i:TypeMatricule>"
    assert read(VERIFICATION.replace("</i:Cle>", kind)).matricule == "279035121518989"


def test_an_optional_reference_date_is_taken() -> None:
    reference = "</b:Emetteur><b:DateRef>2026-03-04T10:00:00Z</b:DateRef>"
    assert read(REQUEST.replace("</b:Emetteur>", reference)).name == "PAT-TROIS"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<s:Envelope", "<!DOCTYPE x><s:Envelope", "sandbox_xml"),
        ("2003/05/soap-envelope", "2001/12/soap-envelope", "sandbox_soap"),
        (f"{MESSAGE}{BAM}", f"{BAM}{MESSAGE}", "sandbox_headers"),
        (SECURITY, "", "sandbox_headers"),
        (ACTION, f"{ACTION}<x/>", "sandbox_headers"),
        ("></w:Security>", "><x/></w:Security>", "sandbox_security"),
        (SEARCH, f"{SEARCH}X", "sandbox_action"),
        (SEARCH, "rechercherInsAvecTraitsIdentite", "sandbox_action"),
        (SEARCH, VERIFY, "sandbox_body"),
        ('Nature="CTXLPS" ', "", "sandbox_context"),
        ('Version="01_02"', 'Version="01_00"', "sandbox_context"),
        (UUIDS[0], "1", "sandbox_identifier"),
        (UUIDS[1], "1", "sandbox_identifier"),
        (UUIDS[3], UUIDS[0], "sandbox_replay"),
        ("10:00:00Z", "10:00:00", "sandbox_context"),
        ("10:00:00Z", "09:00:00Z", "sandbox_context"),
        ("<l:Emetteur>1990000025", "<l:Emetteur>", "sandbox_context"),
        ('R="4"', 'R="3"', "sandbox_context"),
        ("urn:lps:essai:1", "essai", "sandbox_context"),
        ("<l:Version>1</l:Version>", "", "sandbox_structure"),
        ("<b:COUVERTURE/>", "", "sandbox_structure"),
        ("uuid:", "urn:uuid:", "sandbox_message_id"),
        ("PAT-TROIS", "Pat-Trois", "sandbox_traits"),
        ("PAT-TROIS", " ÉVE", "sandbox_traits"),
        (">F<", ">U<", "sandbox_traits"),
        ("1979-03-28", "19790328", "sandbox_traits"),
        ("<i:Sexe>F</i:Sexe>", "", "sandbox_traits"),
        ("<i:Prenom>", "<i:Prenom>ROSE</i:Prenom><i:Prenom>", "sandbox_traits"),
        ("<i:Sexe>F</i:Sexe>", "<i:Sexe>F</i:Sexe><i:Autre/>", "sandbox_traits"),
    ],
)
def test_a_search_spoilt_in_one_place_is_refused(old: str, new: str, code: str) -> None:
    assert old in REQUEST
    with pytest.raises(InsiFaultError) as caught:
        read(REQUEST.replace(old, new, 1))
    assert caught.value.code == code
    assert caught.value.sender


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("2790351215189", "279035121518", "sandbox_ins"),
        (">89<", ">9<", "sandbox_ins"),
        ("<i:OID>1.2.250.1.213.1.4.10</i:OID>", "", "sandbox_structure"),
        ("<i:Cle>89</i:Cle>", "", "sandbox_structure"),
    ],
)
def test_a_verification_spoilt_in_one_place_is_refused(old: str, new: str, code: str) -> None:
    with pytest.raises(InsiFaultError) as caught:
        read(VERIFICATION.replace(old, new, 1))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("text/xml", "sandbox_content_type"),
        ("application/soap+xml; charset=iso-8859-1", "sandbox_content_type"),
        (f'{TYPE}; action="{VERIFY}"', "sandbox_action"),
    ],
)
def test_the_content_type_counts(content_type: str, code: str) -> None:
    with pytest.raises(InsiFaultError) as caught:
        read(REQUEST, content_type)
    assert caught.value.code == code


def test_a_request_sent_twice_is_refused_the_second_time() -> None:
    judge = RequestJudge()
    judge.read(REQUEST.encode(), TYPE, NOW)
    with pytest.raises(InsiFaultError, match="sandbox_replay"):
        judge.read(REQUEST.encode(), TYPE, NOW)


def test_a_request_of_yesterday_is_refused() -> None:
    with pytest.raises(InsiFaultError, match="sandbox_context"):
        read(REQUEST, now=NOW + timedelta(days=1))
