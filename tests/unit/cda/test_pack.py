"""What a validation pack contains, lacks, and is repaired of; installed packs."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pfi.model.errors import ConfigurationError
from pfi.standards.cda.pack import FaultKind, ValidationPack
from pfi.standards.cda.pack_store import PackStore
from pfi.standards.cda.volets import Volet
from tests.unit.cda.official import PACK, needs_pack
from tests.unit.cda.tinypack import COMMON_FOLDER, FILES, write_pack, zip_pack

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)
VOLET_FILE = "schematrons/CI-SIS_BIO-CR-BIO_2024.01.sch"


def kinds(pack: Path) -> set[tuple[FaultKind, str]]:
    return {(each.kind, each.subject) for each in ValidationPack(pack).faults()}


def test_a_pack_knows_its_volets_and_its_common_structure(tmp_path: Path) -> None:
    pack = ValidationPack(write_pack(tmp_path))
    assert set(pack.volets) == {Volet("BIO-CR-BIO", "2024.01")}
    assert pack.common == tmp_path / COMMON_FOLDER / "ASIP-STRUCT-MIN-StrucMin.sch"


def test_the_digest_follows_the_contents(tmp_path: Path) -> None:
    one = ValidationPack(write_pack(tmp_path / "a")).digest
    assert ValidationPack(write_pack(tmp_path / "b")).digest == one
    assert ValidationPack(write_pack(tmp_path / "c", **{"JDV_Sexes.xml": "<x/>"})).digest != one


def test_repairs_are_told(tmp_path: Path) -> None:
    found = ValidationPack(write_pack(tmp_path)).faults()
    assert {each.kind for each in found} == {FaultKind.REPAIRED}
    texts = " ".join(each.text for each in found)
    assert "casse : schematrons/include/ENTETE.sch" in texts
    assert "reconstruits" in texts


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"entete.sch": None}, (FaultKind.INCOMPLETE, VOLET_FILE)),
        ({"JDV_Sexes.xml": None}, (FaultKind.INCOMPLETE, VOLET_FILE)),
        ({"JDV_Sexes.xml": ""}, (FaultKind.INCOMPLETE, VOLET_FILE)),
        ({"JDV_Sexes.xml": ""}, (FaultKind.REPAIRED, "jeuxDeValeurs/JDV_Sexes.xml")),
        ({"dansJeu.sch": "<x/>"}, (FaultKind.UNUSABLE, VOLET_FILE)),
        (
            {"ASIP-STRUCT-MIN-StrucMin.sch": None},
            (FaultKind.UNUSABLE, f"{COMMON_FOLDER}/ASIP-STRUCT-MIN-StrucMin.sch"),
        ),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, changes: dict[str, str | None], fault: tuple[FaultKind, str]) -> None:
    assert fault in kinds(write_pack(tmp_path, **changes))


def test_a_folder_without_schema_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="n'est pas un pack"):
        ValidationPack(tmp_path)


@needs_pack
def test_the_known_faults_of_the_official_pack_are_repaired_or_told() -> None:
    """DMP digest §6: the vocabularies of the common structure, the include of IHE.sch written in another case."""
    found = ValidationPack(PACK).faults()
    assert not [each for each in found if each.kind is FaultKind.UNUSABLE]
    (common,) = (each for each in found if each.subject.endswith("ASIP-STRUCT-MIN-StrucMin.sch"))
    assert common.kind is FaultKind.REPAIRED
    assert "reconstruits des jeux de valeurs" in common.text
    of_ihe = [each for each in found if each.subject.endswith("profils/IHE.sch")]
    assert {each.kind for each in of_ihe} <= {FaultKind.REPAIRED}
    assert any("E_directiveAnticipee_int.sch" in each.text for each in of_ihe)


@pytest.mark.parametrize("where", ["", "TestContenuCDA-main", "a/b"])
def test_a_pack_is_found_in_the_folder_or_below(tmp_path: Path, where: str) -> None:
    write_pack(tmp_path / "source" / where)
    store = PackStore(tmp_path / "data")
    installed, faults = store.install(tmp_path / "source", NOW)
    assert store.current() == installed.folder
    assert installed.files == len(FILES)
    assert installed.digest == ValidationPack(installed.folder).digest
    assert len(faults) == 2


def test_a_zip_is_installed_without_what_is_not_the_pack(tmp_path: Path) -> None:
    store = PackStore(tmp_path / "data")
    installed, _ = store.install(zip_pack(tmp_path / "pack.zip"), NOW)
    assert installed.files == len(FILES)
    assert not list(installed.folder.rglob("LISEZMOI*"))
    assert installed.digest == ValidationPack(write_pack(tmp_path / "b")).digest


def test_the_last_import_is_in_force_and_the_others_stay(tmp_path: Path) -> None:
    store = PackStore(tmp_path / "data")
    first, _ = store.install(write_pack(tmp_path / "a"), NOW)
    longer = FILES["jeuxDeValeurs/JDV_Types.xml"] + " "
    second, _ = store.install(write_pack(tmp_path / "b", **{"JDV_Types.xml": longer}), NOW.replace(hour=11))
    assert [(each.digest, each.current) for each in store.installed()] == [
        (second.digest, True),
        (first.digest, False),
    ]
    store.install(tmp_path / "a", NOW.replace(hour=12))
    assert store.current() == first.folder
    assert len(store.installed()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"CDA_extended.xsd": None},
        {"CDA_extended.xsd": "<x/>"},
        {"ASIP-STRUCT-MIN-StrucMin.sch": None},
        {"types.sch": None},
    ],
)
def test_an_unusable_pack_is_refused_and_changes_nothing(tmp_path: Path, changes: dict[str, str | None]) -> None:
    store = PackStore(tmp_path / "data")
    good, _ = store.install(write_pack(tmp_path / "good"), NOW)
    with pytest.raises(ConfigurationError):
        store.install(write_pack(tmp_path / "bad", **changes), NOW)
    assert store.current() == good.folder
    assert [path.name for path in good.folder.parent.iterdir() if path.is_dir()] == [good.folder.name]


def hostile(path: Path, name: str) -> Path:
    zip_pack(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    return path


@pytest.mark.parametrize("name", ["../dehors.sch", "/absolu.sch", "TestContenuCDA-main/schematrons/../../dehors.sch"])
def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="interdit"):
        PackStore(tmp_path / "data").install(hostile(tmp_path / "pack.zip", name), NOW)
    assert not (tmp_path / "dehors.sch").exists()


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(b"PK pas une archive")
    with pytest.raises(ConfigurationError, match="illisible"):
        PackStore(tmp_path / "data").install(tmp_path / "pack.zip", NOW)


def test_names_in_utf_8_that_do_not_say_so_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        archive.writestr("schematrons/include/en-tXXte.sch", "<x/>")  # as long as its name in UTF-8
    path.write_bytes(path.read_bytes().replace(b"en-tXXte", "en-tête".encode()))
    installed, _ = PackStore(tmp_path / "data").install(path, NOW)
    assert (installed.folder / "schematrons/include/en-tête.sch").is_file()


def test_without_import_nothing_is_in_force(tmp_path: Path) -> None:
    store = PackStore(tmp_path)
    assert store.current() is None
    assert store.installed() == ()
