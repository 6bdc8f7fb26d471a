"""The bytes of a request, as the contract writes them."""

from typing import Any

from lxml import etree

from connectors.insi.wire import Wire
from tests.unit.insi.given import NOW, question, settings, surroundings

SEARCH = "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"
VERIFY = "urn:ServiceIdentiteCertifiee:1.0.0:verifierInsAvecTraitsIdentite"
ANY = "{*}"


def written(**changes: Any) -> etree._Element:
    return etree.fromstring(Wire(settings(**changes), surroundings()).request(question()).body)


def texts(parent: etree._Element) -> list[tuple[str, str]]:
    return [(etree.QName(each).localname, each.text or "") for each in parent]


def test_headers_come_in_their_order() -> None:
    header = written()[0]
    assert [etree.QName(each).localname for each in header] == [
        "Security",
        "ContexteLPS",
        "MessageID",
        "ContexteBAM",
        "Action",
    ]
    assert len(header[0]) == 0
    assert header[4].text == SEARCH
    assert (header[2].text or "").startswith("uuid:")


def test_contexts_name_the_software_the_establishment_and_the_moment() -> None:
    header = written()[0]
    lps, bam = header[1], header[3]
    assert sorted(lps.items()) == [("Nature", "CTXLPS"), ("Version", "01_00")]
    assert sorted(bam.items()) == [("Nature", "CTXBAM"), ("Version", "01_02")]
    assert [name for name, _ in texts(lps)] == ["Id", "Temps", "Emetteur", "LPS"]
    assert texts(lps[3]) == [
        ("IDAM", "IDAM-ESSAI"),
        ("Version", "1.2"),
        ("Instance", "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"),
        ("Nom", "urn:lps:PFI:1.2"),
    ]
    assert lps[3][0].get("R") == "4"
    assert [name for name, _ in texts(bam)] == ["Id", "Temps", "Emetteur", "COUVERTURE"]
    assert lps[2].text == bam[2].text == "1750000001"
    assert lps[1].text == f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"


def test_identifiers_are_new_in_each_request() -> None:
    wire = Wire(settings(), surroundings())
    requests = [wire.request(question()) for _ in range(3)]
    assert len({each.message_id for each in requests}) == 3
    ids = [node.text for each in requests for node in etree.fromstring(each.body).iter(f"{ANY}Id")]
    assert len(set(ids)) == 6


def test_the_configured_software_wins_over_the_product() -> None:
    software = {"idam": "X", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026", "name": "AUTRE", "version": "9"}
    lps = written(software=software)[0][1]
    assert texts(lps[3])[3] == ("Nom", "urn:lps:AUTRE:9")


def test_a_search_gives_the_traits_and_never_the_ins() -> None:
    wire = Wire(settings(), surroundings())
    request = wire.request(question(birth_place="51215"))
    body = etree.fromstring(request.body)[1][0]
    assert body.tag == "{http://www.cnamts.fr/INSiRecSans}RECSANSVITALE"
    assert texts(body) == [
        ("NomNaissance", "PAT-TROIS"),
        ("Prenom", "DOMINIQUE"),
        ("Sexe", "F"),
        ("DateNaissance", "1979-03-28"),
        ("LieuNaissance", "51215"),
    ]
    assert b"2790351215189" not in request.body
    assert request.content_type == f'application/soap+xml; charset=UTF-8; action="{SEARCH}"'
    assert request.answer_namespace == "http://www.cnamts.fr/INSiResultat"


def test_a_verification_gives_the_ins_with_its_key_apart() -> None:
    envelope = written(operation="verify")
    body = envelope[1][0]
    assert envelope[0][4].text == VERIFY
    assert body.tag == "{http://www.cnamts.fr/INSiLot2/REQUnitaire}IndividuVerifie"
    known, traits = body
    assert texts(known[0]) == [("NumIdentifiant", "2790351215189"), ("Cle", "89")]
    assert known[1].text == "1.2.250.1.213.1.4.10"
    assert [name for name, _ in texts(traits)] == ["NomNaissance", "Prenom", "Sexe", "DateNaissance"]


def test_the_unverified_contract_is_a_setting() -> None:
    contract = {"action": "urn:x:y", "namespace": "urn:z", "element": "Individu", "wrapper": "Requete"}
    envelope = written(operation="verify", verify=contract)
    assert envelope[0][4].text == "urn:x:y"
    assert envelope[1][0].tag == "{urn:z}Requete"
    assert envelope[1][0][0].tag == "{urn:z}Individu"


def test_what_xml_cannot_carry_as_it_is_is_escaped() -> None:
    software = {"idam": "A<B&C", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"}
    assert written(software=software)[0][1][3][0].text == "A<B&C"
