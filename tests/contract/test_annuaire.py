"""The directory against the strict sandbox, over real TLS: what is asked, and what is chosen of the answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from connectors.annuaire.directory import AnnuaireDirectory
from connectors.annuaire.settings import AnnuaireSettings
from connectors.sandbox.annuaire import AnnuaireServer, write_white_list
from connectors.sandbox.annuaire_register import Box, Place, Professional, Structure
from connectors.sandbox.certificates import Certificates
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Ambiguous, Directory, Found, Nothing, Surroundings
from pfi.model.clock import IdSource
from tests.contract.annuaire_pair import (
    HERE,
    NO_MAILBOX,
    OWN,
    RETIRED,
    THERE,
    TWO_PLACES,
    Clock,
    Pair,
    address,
    code,
    paired,
)
from tests.contract.dmp_peer import settled
from tests.unit.annuaire.given import NAME, personal


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
async def pair(certificates: Certificates, tmp_path: Path) -> AsyncIterator[Pair]:
    async with paired(certificates, tmp_path) as both:
        yield both


async def test_the_directory_keeps_the_protocol(pair: Pair) -> None:
    async with pair.opened() as directory:
        opened: object = directory
        assert isinstance(opened, Directory)


@pytest.mark.parametrize("written_as", [OWN, f"8{OWN}"])
async def test_a_professional_is_found_by_either_form_of_the_identifier(pair: Pair, written_as: str) -> None:
    assert address(await pair.resolved(written_as)) == "docteur.essai@medecin.mssante.fr"
    (request,) = pair.server.requests
    assert parse_qs(urlsplit(request).query)["identifier"] == [f"https://rpps.esante.gouv.fr|{OWN}"]


@pytest.mark.parametrize(
    ("structure", "expected"),
    [(HERE, "deux.lieux@ch-sandbox.mssante.fr"), (f"1{THERE}", "deux.lieux@medecin.mssante.fr")],
)
async def test_the_named_structure_decides_among_places(pair: Pair, structure: str, expected: str) -> None:
    assert address(await pair.resolved(TWO_PLACES, structure)) == expected


async def test_several_places_and_none_named_are_shown_with_what_tells_them_apart(pair: Pair) -> None:
    told = await pair.resolved(TWO_PLACES)
    assert isinstance(told, Ambiguous)
    assert {(each.structure, each.label) for each in told.mailboxes} == {
        (HERE, "CH DU BAC A SABLE"),
        (THERE, "MAISON DE SANTE DEMO"),
    }


@pytest.mark.parametrize("who", [NO_MAILBOX, RETIRED, "99900000099"])
async def test_no_mailbox_no_activity_or_nobody_is_nothing(pair: Pair, who: str) -> None:
    assert await pair.resolved(who) == Nothing()


async def test_somebody_inactive_has_no_mailbox_even_if_one_is_still_told(pair: Pair) -> None:
    (active,) = (each for each in pair.server.register.resources("Practitioner") if each["id"] == f"003-{OWN}")
    pair.server.register.people.clear()
    pair.server.register.raw.append({**active, "active": False})
    assert await pair.resolved(OWN) == Nothing()
    pair.server.register.raw[0] = {**active, "active": True}
    assert isinstance(await pair.resolved(OWN), Found)


async def test_a_place_where_somebody_works_no_more_counts_no_more(pair: Pair) -> None:
    places = (Place(HERE, (Box("a@medecin.mssante.fr"),), active=False), Place(THERE, (Box("b@medecin.mssante.fr"),)))
    pair.server.register.people.append(Professional("99900000058", "MUTE", places=places))
    told = await pair.resolved("99900000058", HERE)
    assert isinstance(told, Ambiguous)
    assert [each.address for each in told.mailboxes] == ["b@medecin.mssante.fr"]


async def test_a_structure_has_the_mailbox_that_is_its_own_and_only_mssante(pair: Pair) -> None:
    assert address(await pair.resolved(structure=f"1{HERE}")) == "secretariat@ch-sandbox.mssante.fr"
    assert isinstance(await pair.resolved(structure=THERE), Ambiguous)
    assert await pair.resolved(structure="990000066") == Nothing()


async def test_an_untyped_email_counts_only_when_the_white_list_has_its_domain(pair: Pair) -> None:
    boxes = (Box("x@medecin.mssante.fr", typed=False), Box("x@free.example", typed=False))
    pair.server.register.people.append(Professional("99900000066", "SANS-TYPE", boxes))
    assert await pair.resolved("99900000066") == Nothing()
    listed = pair.folder / "white.xml"
    listed.write_bytes(write_white_list(["medecin.mssante.fr"]))
    assert address(await pair.resolved("99900000066", white_list=listed)) == "x@medecin.mssante.fr"


@pytest.mark.parametrize("who", ["279035121518989", "DUPONT", "10003461033 OR 1", "38012345600012"])
async def test_what_is_no_professional_s_identifier_never_leaves(pair: Pair, who: str) -> None:
    async with pair.opened() as directory:
        assert await directory.resolve(who) == Nothing()
        assert await directory.resolve(who, HERE) == Nothing()
        assert await directory.resolve(structure=who) == Nothing()
    assert pair.server.requests == []


async def test_a_server_that_ignores_the_criterion_gives_nobody_else_s_mailbox(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sandbox.annuaire._matches", lambda _resource, _query: True)
    assert await pair.resolved("99900000082") == Nothing()
    assert await pair.resolved(structure="990000066") == Nothing()
    assert address(await pair.resolved(TWO_PLACES, HERE)) == "deux.lieux@ch-sandbox.mssante.fr"


async def test_all_pages_are_read(pair: Pair) -> None:
    pair.server.page = 1
    told = await pair.resolved(TWO_PLACES)
    assert isinstance(told, Ambiguous)
    assert len(told.mailboxes) == 2
    assert sum("/_page?id=" in each for each in pair.server.requests) >= 3


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1:9/fhir/v2/_page?id=1",
        "http://localhost/fhir/v2/_page?id=1",
        "https://localhost@evil.example/fhir/v2/_page",
        "/fhir/v1/_page?id=1",
        "https://[",
        "//\x00",
    ],
)
async def test_a_next_page_elsewhere_is_not_asked_for_because_the_key_would_go_with_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    def bundle(*_: Any) -> dict[str, Any]:
        return {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": link}]}

    monkeypatch.setattr(AnnuaireServer, "_bundle", bundle)
    assert code(await pair.resolved(OWN)) == "ANNUAIRE_ANSWER_UNREADABLE"
    assert len(pair.server.requests) == 1


async def test_pages_without_end_are_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def bundle(server: AnnuaireServer, *_: Any) -> dict[str, Any]:
        link = {"relation": "next", "url": f"{server.url}/Practitioner?_id={len(server.requests)}"}
        return {"resourceType": "Bundle", "type": "searchset", "link": [link]}

    monkeypatch.setattr(AnnuaireServer, "_bundle", bundle)
    pair.server.quota = 1000
    assert code(await pair.resolved(OWN)) == "ANNUAIRE_ANSWER_UNREADABLE"
    assert len(pair.server.requests) == 20


async def test_a_closed_structure_has_no_mailbox_nor_have_those_who_worked_there(pair: Pair) -> None:
    pair.server.register.structures[0] = Structure(HERE, "X", (Box("a@medecin.mssante.fr", "ORG"),), active=False)
    assert await pair.resolved(structure=HERE) == Nothing()
    told = await pair.resolved(TWO_PLACES, HERE)
    assert isinstance(told, Ambiguous)
    assert [each.structure for each in told.mailboxes] == [THERE]


async def test_the_extraction_answers_first_and_the_api_about_those_it_does_not_know(pair: Pair) -> None:
    extract = pair.extract(personal("du.jour@x.fr", TWO_PLACES))
    async with pair.opened(extract=extract) as directory:
        assert address(await directory.resolve(TWO_PLACES)) == "du.jour@x.fr"
        assert pair.server.requests == []
        assert address(await directory.resolve(OWN)) == "docteur.essai@medecin.mssante.fr"


async def test_a_structure_is_asked_of_the_api_because_the_extraction_lacks_applicative_mailboxes(pair: Pair) -> None:
    extract = pair.extract(f"ORG|seule@x.fr||||1|{THERE}||||O|X|99000|99|FR")
    assert isinstance(await pair.resolved(structure=THERE, extract=extract), Ambiguous)
    assert address(await pair.resolved(structure=THERE, extract=extract, key=None)) == "seule@x.fr"


async def test_an_old_extraction_yields_to_the_api_and_serves_alone_only_where_there_is_none(pair: Pair) -> None:
    extract = pair.extract(personal("ancien@x.fr", OWN), name=NAME.replace("20260305", "20260301"))
    async with pair.opened(extract=extract) as directory:
        assert address(await directory.resolve(OWN)) == "docteur.essai@medecin.mssante.fr"
        reached, dated = await directory.check()
    assert reached.ok
    assert not dated.ok
    assert "01/03/2026" in dated.text
    assert address(await pair.resolved(OWN, extract=extract, key=None)) == "ancien@x.fr"


async def test_without_api_a_missing_extraction_is_away(pair: Pair) -> None:
    extract = {"file": pair.folder / "nowhere.sqlite"}
    async with pair.opened(extract=extract, key=None) as directory:
        assert code(await directory.resolve(OWN)) == "ANNUAIRE_EXTRACT_MISSING"
        (dated,) = await directory.check()
    assert not dated.ok
    assert isinstance(await pair.resolved(OWN, extract=extract), Found)


async def test_the_check_asks_about_nobody(pair: Pair) -> None:
    async with pair.opened(extract=pair.extract(personal("a@x.fr", OWN))) as directory:
        assert [each.ok for each in await directory.check()] == [True, True]
    assert pair.server.requests == ["/fhir/v2/metadata"]


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/v2/Practitioner?mailbox-mss-type=PER",
        "/fhir/v2/PractitionerRole?practitioner.identifier=99900000017",
        "/fhir/v2/PractitionerRole?practitioner:Practitioner.identifier=99900000017",
        "/fhir/v2?_type=Practitioner,Organization",
        "/fhir/v2/Practitioner?_include=PractitionerRole:nothing",
        "/fhir/v2/HealthcareService",
        "/fhir/v2/Practitioner/nobody",
        "/fhir/v2/_page?id=gone",
        "/fhir/Practitioner",
    ],
)
async def test_the_sandbox_refuses_what_the_real_server_does_not_serve(pair: Pair, path: str) -> None:
    answer = await pair.raw(path)
    assert 400 <= answer.status_code < 500
    OperationOutcome.model_validate_json(answer.content)


async def test_the_sandbox_wants_a_key_and_counts_requests(pair: Pair) -> None:
    assert (await pair.raw("/fhir/v2/metadata", "")).status_code == 401
    assert (await pair.raw("/fhir/v2/metadata", "other")).status_code == 403
    pair.server.quota = 1
    CapabilityStatement.model_validate_json((await pair.raw("/fhir/v2/metadata")).content)
    late = await pair.raw("/fhir/v2/metadata")
    assert (late.status_code, late.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize(
    ("path", "total"),
    [
        ("/fhir/v2/Practitioner?mailbox-mss:contains=%40", 1),
        ("/fhir/v2/Organization?mailbox-mss:exact=secretariat@ch-sandbox.mssante.fr", 1),
        ("/fhir/v2/Practitioner?identifier=99900000041", 1),
        ("/fhir/v2/PractitionerRole?practitioner=003-99900000025&_include=PractitionerRole:organization", 2),
        ("/fhir/v2/Practitioner?identifier=nobody", 0),
    ],
)
async def test_what_the_sandbox_answers_is_strictly_r4(pair: Pair, path: str, total: int) -> None:
    answer = await pair.raw(path)
    assert Bundle.model_validate_json(answer.content).total == total


async def test_the_whole_sandbox_serves_its_annuaire_and_says_where(tmp_path: Path) -> None:
    async with Sandbox(tmp_path / "sandbox") as sandbox:
        settings = AnnuaireSettings.model_validate(sandbox.configuration()["annuaire"])
        directory = AnnuaireDirectory(settings, Surroundings(Clock(), IdSource()))
        await directory.open()
        try:
            found = await directory.resolve(structure=HERE)
        finally:
            await directory.close()
            await settled()
    assert address(found) == "secretariat@ch-sandbox.mssante.fr"


def test_settings_that_ask_nobody_or_another_version_are_refused() -> None:
    with pytest.raises(ValueError, match="extract"):
        AnnuaireSettings.model_validate({})
    with pytest.raises(ValueError, match="/v2"):
        AnnuaireSettings.model_validate({"key": "x", "url": "https://gateway.api.esante.gouv.fr/fhir"})
    with pytest.raises(ValueError, match="https"):
        AnnuaireSettings.model_validate({"key": "x", "url": "http://gateway.api.esante.gouv.fr/fhir/v2"})
    with pytest.raises(ValueError, match="less than or equal to 17"):
        AnnuaireSettings.model_validate({"key": "x", "requests_per_second": 18})
