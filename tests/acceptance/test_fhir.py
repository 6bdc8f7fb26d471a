"""A lot on disk is explained like a message, and the committed samples are what the engine takes."""

import json
from pathlib import Path

import pytest

from pfi.standards.fhir.answer import status_of
from samples.generator import bundle
from samples.generator.catalogue import Sample
from tests.acceptance.running import SAMPLES, pfi


@pytest.mark.parametrize("sample", bundle.samples(), ids=lambda sample: Path(sample.file).stem)
def test_the_committed_lot_is_the_generated_one_and_does_what_the_page_says(sample: Sample, tmp_path: Path) -> None:
    assert (SAMPLES / sample.file).read_bytes() == sample.make()
    ran = pfi("explain", str(SAMPLES / sample.file), "--json", "--out", str(tmp_path))
    assert ran.code == 0
    explained = ran.json
    assert explained["ack"]["code"] == "AA"
    told = {each["channel"]: each["action"] for each in explained["decisions"]}
    assert told == {
        name: wanted if wanted == "send" else "deny"
        for name, wanted in (("DMP", sample.dmp), ("PRO", sample.pro), ("CIT", sample.cit))
    }
    answer = (tmp_path / "ack.json").read_bytes()
    assert str(status_of(answer)) == sample.ack
    assert json.loads(answer)["type"] == "transaction-response"


def test_a_lot_without_orders_is_completed_by_the_table_when_the_site_says_so(tmp_path: Path) -> None:
    configuration = tmp_path / "pfi.yaml"
    configuration.write_text(
        "ins: {environment: test}\n"
        f"senders: [{{name: pdsm, match: {{application: '{bundle.SOURCE_ID}'}}, policy: complete}}]\n"
    )
    ran = pfi("explain", str(SAMPLES / "fhir/lettre-de-liaison-pdsm.json"), "--json", "--config", str(configuration))
    assert {each["channel"]: each["action"] for each in ran.json["decisions"]} == {
        "DMP": "send",
        "PRO": "send",
        "CIT": "send",
    }


def test_an_unreadable_lot_is_explained_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "lot.json"
    broken.write_bytes(b'{"resourceType": "Bundle", "type": "batch"}')
    ran = pfi("explain", str(broken), "--json")
    assert [each["code"] for each in ran.json["findings"]] == ["BUNDLE_TYPE"]
