"""`pfi dmp find` and `pfi dmp get` beside a running engine: what is shown, what is written, what is traced."""

import asyncio
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from pfi.cli.dmp import EVENT
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Surroundings
from pfi.engine.desk import open_desk
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import OutcomeKind
from pfi.model.document import Document
from tests.acceptance.running import Home, Ran, pfi
from tests.contract.test_dmp_consultation import numbered
from tests.unit.dmp.given import delivery
from tests.unit.xds.documents import MATRICULE

pytestmark = pytest.mark.xdist_group("running")

ASKING = (
    *("--ins", MATRICULE, "--as", "801234567897", "--family", "HODA", "--given", "Adam"),
    *("--profession", "10", "--speciality", "SM26"),
)
FED = numbered(9001, type_code="34112-3")


@pytest.fixture(scope="module")
def air(home: Home) -> Path:
    """The configuration of the running engine, where consultation is open; one document is in the DMP."""
    content = yaml.safe_load(home.config.read_text())
    content["destinations"]["dmp"]["settings"]["consultation"] = "air"
    path = home.directory / "air.yaml"
    path.write_text(yaml.safe_dump(content))
    asyncio.run(feed(home, FED))
    return path


async def feed(home: Home, document: Document) -> None:
    settings = DmpSettings.model_validate(home.found["dmp"])
    connector = DmpConnector(settings, Surroundings(system_clock, IdSource(), "PFI", "1.0"))
    await connector.open()
    outcome = await connector.send(delivery(documents=(document,), sender=None, created_at=system_clock()))
    await connector.close()
    assert outcome.kind is OutcomeKind.DELIVERED, outcome


def traced(config: Path) -> list[dict[str, Any]]:
    """Details of the events of consultation, oldest first."""

    async def read() -> list[dict[str, Any]]:
        async with open_desk(Configuration.read(config)) as desk, desk.database.connection() as connection:
            rows = await connection.fetch("SELECT detail FROM events WHERE kind = $1 ORDER BY id", EVENT)
            return [row["detail"] if isinstance(row["detail"], dict) else json.loads(row["detail"]) for row in rows]

    return asyncio.run(read())


def asked(config: Path, command: str, *arguments: str) -> Ran:
    return pfi("dmp", command, *ASKING, *arguments, "--config", str(config))


def test_plain_indirect_authentication_is_refused_with_its_reason(home: Home, tmp_path: Path) -> None:
    for ran in (
        asked(home.config, "find"),
        asked(home.config, "get", FED.unique_id, "--out", str(tmp_path / "lettre.xml")),
    ):
        assert ran.code == 1
        assert "DMP_CONSULTATION_OFF" in ran.err
        assert "authentification indirecte simple" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_search_lists_identifiers_and_is_traced_before_and_after(air: Path) -> None:
    before = len(traced(air))
    ran = asked(air, "find", "--type", "34112-3", "--json")
    assert ran.code == 0, ran.err
    (shown,) = [each for each in ran.json["documents"] if each["unique_id"] == FED.unique_id]
    assert (shown["type"], shown["state"], shown["size"]) == ("34112-3", "en vigueur", FED.size)
    assert "CR de consultation" not in ran.out  # no title
    first, last = traced(air)[before:]
    assert (first["step"], last["step"]) == ("asked", "answered")
    for each in (first, last):
        assert (each["operation"], each["professional"], each["mode"]) == ("find", "801234567897", "air")
        assert MATRICULE not in json.dumps(each)
        assert "HODA" not in json.dumps(each)
    assert first["patient"] == last["patient"]
    assert FED.unique_id in last["result"]["documents"]
    (vihf,) = last["vihf"]
    assert vihf["transaction"] == "TD3.1a"
    assert vihf["assertion"].startswith("_")


def test_a_list_is_shown_without_json(air: Path) -> None:
    ran = asked(air, "find", "--type", "34112-3", "--state", "en-vigueur")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    what = lines[lines.index(FED.unique_id) + 1]
    assert "34112-3 CR hospitalier (séjour)" in what
    assert f"en vigueur ; {FED.size} octets" in what
    assert MATRICULE not in ran.out
    assert "Aucun document" in asked(air, "find", "--type", "11505-5").out


def test_a_document_is_written_as_it_was_fed_for_its_owner_only(air: Path, tmp_path: Path) -> None:
    before = len(traced(air))
    path = tmp_path / "lettre.xml"
    ran = asked(air, "get", FED.unique_id, "--out", str(path))
    assert ran.code == 0, ran.err
    assert path.read_bytes() == FED.content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    last = traced(air)[before:][-1]
    assert (last["document"], last["result"]["outcome"]) == (FED.unique_id, "ok")
    assert [each["transaction"] for each in last["vihf"]] == ["TD3.1a", "TD3.2"]

    again = asked(air, "get", FED.unique_id, "--out", str(path))
    assert again.code == 2
    forced = asked(air, "get", FED.unique_id, "--out", str(path), "--force", "--json")
    assert forced.json == {
        "file": str(path),
        "size": FED.size,
        "sha1": hashlib.sha1(FED.content, usedforsecurity=False).hexdigest(),
        "mime_type": "text/xml",
        "warnings": [],
    }


def test_nothing_is_ever_overwritten(air: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is there, which is seen before anything is asked, nor what comes there while the DMP answers."""
    before = len(traced(air))
    there, link = tmp_path / "la.xml", tmp_path / "lien.xml"
    there.write_bytes(b"autre chose")
    link.symlink_to(tmp_path / "nulle-part.xml")
    for path in (there, link, tmp_path / "absent" / "lettre.xml"):
        assert asked(air, "get", FED.unique_id, "--out", str(path)).code == 2
    assert len(traced(air)) == before
    monkeypatch.setattr(os.path, "lexists", lambda _path: False)  # it comes later
    ran = asked(air, "get", FED.unique_id, "--out", str(there))
    assert ran.code == 2
    assert "existe déjà" in ran.err
    assert there.read_bytes() == b"autre chose"
    assert sorted(tmp_path.iterdir()) == [there, link]
    assert not (tmp_path / "nulle-part.xml").exists()


def test_an_unknown_document_is_refused_and_traced(air: Path, tmp_path: Path) -> None:
    ran = asked(air, "get", "1.2.250.1.999.404", "--out", str(tmp_path / "x.xml"))
    assert ran.code == 1
    assert "DMP_DOCUMENT_NOT_FOUND" in ran.err
    assert list(tmp_path.iterdir()) == []
    last = traced(air)[-1]
    assert last["result"] == {"outcome": "refused", "code": "DMP_DOCUMENT_NOT_FOUND"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--type", "0000-0"), "Type de document inconnu"),
        (("--destination", "mssante"), "DMP_DESTINATION_UNKNOWN"),
        (("--establishment", "1750000001"), "DMP_ENTITY_UNKNOWN"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(air: Path, arguments: tuple[str, ...], code: str) -> None:
    before = len(traced(air))
    ran = asked(air, "find", *arguments)
    assert ran.code == 2
    assert code in ran.err
    assert len(traced(air)) == before
