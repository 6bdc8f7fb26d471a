"""The committed samples are what the generator writes, and what their catalogue says."""

import base64
import os
import re
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from connectors.sandbox.dmp.patients import DmpState, PatientDirectory
from pfi.model.finding import Severity
from pfi.model.profile import Environment, SenderProfile
from pfi.standards.hl7v2 import tokenizer
from pfi.standards.hl7v2.adt import read_adt
from pfi.standards.hl7v2.request import read_request
from samples import generate
from samples.generator import bench, catalogue, clinical_document, documents, pages, pdf, world
from samples.generator.catalogue import Sample

SAMPLES = generate.ROOT
ANS = Path(os.environ.get("PFI_ANS_DIR", SAMPLES.parents[1] / "shared" / "ans"))
CDA_XSD = ANS / "validation-pack" / "infrastructure" / "cda" / "CDA_extended.xsd"
PROFILE = SenderProfile(environment=Environment.TEST)

ALL = catalogue.all_samples()
BAD = catalogue.bad_messages()
ADT = catalogue.adt_messages()
READABLE = tuple(sample for sample in ALL if sample.file.startswith("messages/"))


def _ids(sample: Sample) -> str:
    return sample.file


@cache
def _cda_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(CDA_XSD)))


def _contents(raw: bytes) -> list[bytes]:
    return [base64.b64decode(found) for found in re.findall(rb"\^XML\^Base64\^([A-Za-z0-9+/=]+)", raw)]


@pytest.mark.parametrize("sample", ALL, ids=_ids)
def test_a_committed_sample_is_what_the_generator_writes(sample: Sample) -> None:
    assert (SAMPLES / sample.file).read_bytes() == sample.make(), "run python samples/generate.py"


def test_the_readme_is_what_the_generator_writes_and_names_every_sample() -> None:
    committed = (SAMPLES / "README.md").read_bytes()

    assert committed == generate.files()["README.md"], "run python samples/generate.py"
    assert [sample.file for sample in ALL if f"`{sample.file}`" not in committed.decode()] == []


def test_the_sandbox_knows_the_state_of_every_patient_of_the_samples() -> None:
    directory = PatientDirectory()
    directory.load(SAMPLES / "patients.yaml")

    assert (SAMPLES / "patients.yaml").read_bytes() == generate.files()["patients.yaml"]
    assert directory.state(world.CLOSED_DMP.matricule) is DmpState.CLOSED
    assert directory.state(world.NO_DMP.matricule) is DmpState.ABSENT
    assert directory.state(world.OPPOSED.matricule) is DmpState.ACTIVE  # the opposition comes by ADT


def test_no_committed_message_is_unknown_to_the_catalogue() -> None:
    known = {sample.file for sample in (*ALL, *bench.messages())}

    assert {str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*.hl7")} == known


def test_the_command_writes_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)

    assert generate.main(["--pdf"]) == 0
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".hl7", ".json", ".md", ".pdf", ".yaml"}
    assert (tmp_path / ALL[0].file).read_bytes() == ALL[0].make()


@pytest.mark.parametrize("person", world.PATIENTS, ids=lambda person: person.family)
def test_every_matricule_has_fifteen_characters_and_its_right_key(person: world.Person) -> None:
    digits = int(person.m13.replace("2A", "19").replace("2B", "18"))

    assert len(person.matricule) == 15
    assert (digits + int(person.matricule[13:])) % 97 == 0


def test_the_key_of_a_corsican_matricule_follows_the_rule() -> None:
    assert world.ins_key("297022A020778") == "78"


@pytest.mark.parametrize("sample", ALL, ids=_ids)
def test_only_the_test_authority_of_the_ins_appears(sample: Sample) -> None:
    raw = sample.make()

    for text in (raw, *(_contents(raw) if sample in READABLE else ())):
        assert set(re.findall(rb"1\.2\.250\.1\.213\.1\.4\.(?:8|9|1\d)\b", text)) <= {b"1.2.250.1.213.1.4.10"}


@pytest.mark.parametrize("sample", READABLE, ids=_ids)
def test_every_document_is_valid_against_the_schema_of_the_ans(sample: Sample) -> None:
    if not CDA_XSD.exists():
        pytest.skip("validation pack of the ANS not found (PFI_ANS_DIR)")
    contents = _contents(sample.make())

    assert contents
    for content in contents:
        _cda_schema().assertValid(etree.fromstring(content))


@pytest.mark.parametrize("sample", READABLE, ids=_ids)
def test_every_message_is_read_without_error_unless_its_catalogue_says_so(sample: Sample) -> None:
    reading = read_request(tokenizer.parse(sample.make()), PROFILE)

    errors = [finding.err3 for finding in reading.findings if finding.severity is Severity.ERROR]
    told_by_the_header = sample.file != "messages/mauvais-patient.hl7"  # only the CDA tells this one
    assert bool(errors) is (sample.ack.startswith("AE") and told_by_the_header)


@pytest.mark.parametrize("sample", ADT, ids=_ids)
def test_every_adt_message_is_read(sample: Sample) -> None:
    reading = read_adt(tokenizer.parse(sample.make()))

    assert reading.findings == ()
    assert reading.event is not None
    assert reading.event.trigger.lower() == sample.file.removeprefix("adt/")[:3]


def test_the_withdrawal_takes_the_ins_away() -> None:
    raw = next(sample.make() for sample in ADT if "a47" in sample.file)

    event = read_adt(tokenizer.parse(raw)).event
    assert event is not None
    assert event.withdraws_ins
    assert event.patient.ins is None


def test_the_latin_sample_cannot_be_read_as_utf_8() -> None:
    raw = (SAMPLES / "messages" / "lettre-de-liaison-8859-15.hl7").read_bytes()

    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    assert "Masqué" in raw.decode("iso-8859-15")


def test_a_replacement_names_the_version_it_replaces_in_the_cda_and_in_the_message() -> None:
    first = documents.discharge_letter("lettre-de-liaison")
    raw = (SAMPLES / "messages" / "remplacement-lettre-de-liaison.hl7").read_bytes()

    txa = next(line for line in raw.split(b"\r") if line.startswith(b"TXA")).split(b"|")
    assert txa[13] == first.document_id.encode()
    assert f'<id root="{first.document_id}"'.encode() in _contents(raw)[0]
    assert txa[12] == first.version_id(2).encode()


def test_two_versions_share_their_set_and_nothing_else() -> None:
    first = documents.biology_report("biologie-hors-sejour")
    second = documents.biology_report("biologie-hors-sejour", version=2, corrected="3.100")

    assert first.set_id == second.set_id
    assert first.document_id != second.document_id
    assert b'value="3.100"' in clinical_document.write(second)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.file)
def test_every_committed_pdf_claims_pdf_a_1b(page: pdf.Page) -> None:
    content = (SAMPLES / "pdf" / page.file).read_bytes()

    assert content.startswith(b"%PDF-1.4")
    assert b"<pdfaid:part>1</pdfaid:part>" in content
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in content


def test_a_page_compiles_to_the_same_bytes_twice() -> None:
    assert pdf.compile_page(pages.IMAGING) == pdf.compile_page(pages.IMAGING)


def test_the_bench_messages_weigh_what_real_traffic_weighs(tmp_path: Path) -> None:
    paths = generate.write_samples(bench.messages(), tmp_path)

    assert all(200_000 <= path.stat().st_size <= 330_000 for path in paths)
    committed = [SAMPLES / path.relative_to(tmp_path) for path in paths]
    assert all(200_000 <= path.stat().st_size <= 330_000 for path in committed)
    assert all(read_request(tokenizer.parse(path.read_bytes()), PROFILE).request for path in committed)


def test_every_bad_sample_spoils_a_message_that_was_good() -> None:
    order = catalogue.from_dpi("DPI-0999", documents.imaging_order("bon"))

    from samples.generator.request import write_request

    assert read_request(tokenizer.parse(write_request(order)), PROFILE).request is not None
    assert len({sample.make() for sample in BAD}) == len(BAD)
