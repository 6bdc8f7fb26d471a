"""`policy: warn`: a duty that is not met is told beside the acceptance, and only then."""

from pathlib import Path

import pytest

from pfi.engine.conclusion import acknowledgment, conclude
from pfi.engine.interpretation import interpret
from pfi.model.acknowledgment import AckCode
from pfi.model.profile import Environment, Policy, SenderProfile
from pfi.routing.rules import RuleBook, default_rule_paths, load_rules
from pfi.standards.hl7v2.ack import AckReading, read_ack
from samples.generator.catalogue import discharge
from samples.generator.request import Flags, write_request
from tests.unit.interpretation.given import NOW, RULES

NOT_TO_THE_PATIENT = write_request(discharge("H1").but(flags=Flags(dest_mss_pat=False)))
HIDDEN = write_request(discharge("H2").but(flags=Flags(dest_mss_pat=False, invisible_patient=True)))


def answer(raw: bytes, policy: Policy, rules: RuleBook = RULES) -> AckReading:
    profile = SenderProfile(environment=Environment.TEST, policy=policy)
    interpretation = interpret(raw, lambda header: profile, NOW)
    content = acknowledgment(interpretation, conclude(interpretation, None, rules, NOW), control_id="A1", now=NOW)
    assert content is not None
    return read_ack(content)


def test_a_duty_that_is_not_met_is_hinted_at_beside_aa() -> None:
    reading = answer(NOT_TO_THE_PATIENT, Policy.WARN)
    assert reading.code is AckCode.AA
    (hint,) = reading.errors
    assert hint.severity == "W"
    assert "CIT, ORDER_NO" in hint.text
    assert "L. 1111-15" in hint.text


@pytest.mark.parametrize(
    ("raw", "policy"), [(NOT_TO_THE_PATIENT, Policy.RESPECT), (HIDDEN, Policy.WARN)], ids=["respect", "legal gap"]
)
def test_nothing_is_hinted_at_otherwise(raw: bytes, policy: Policy) -> None:
    assert answer(raw, policy) == AckReading(answer(raw, policy).acknowledged_control_id, AckCode.AA)


def test_the_policy_of_a_rule_of_the_site_is_hinted_at_too(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        'kind: site\nrules:\n  - {id: DIRE, text: "On le dit.", when: {types: ["11490-0"]}, then: {policy: warn}}\n'
    )
    (hint,) = answer(NOT_TO_THE_PATIENT, Policy.RESPECT, load_rules([*default_rule_paths(), site])).errors
    assert hint.severity == "W"
