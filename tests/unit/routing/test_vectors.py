"""The tests that a rule author writes: what they can say, and that they can fail."""

import pytest

from pfi.routing import vectors
from pfi.routing.rules import load_texts

RULES = """\
kind: site
directory:
  - {identifier: "10100000017", address: "cabinet@medecin.mssante.fr"}
rules:
  - {id: COPIE, text: "Copie.", when: {establishments: ["750000002"]}, then: {derive_recipients: [medecin_traitant]}}
  - {id: BOITE, text: "Boîte.", when: {recipients: ["@ch-voisin.mssante.fr"]}, then: {mailbox: labo, priority: low}}
  - id: HEURES
    text: "Heures."
    when: {channels: [CIT]}
    then: {schedule: {days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00"}}
"""
GIVEN = """\
    given:
      type: "11490-0"
      date: 2026-01-15
      patient_class: "I"
      feeding: INO
      at: "20:00"
      establishment: {eg: "750000002"}
      care_team: [{role: ODRP, identifier: "10100000017"}]
      recipients:
        - {address: "a@ch-voisin.mssante.fr", kind: organization, identifier: "1750000009"}
      flags: {dest_dmp: true, dest_mss_ps: true, dest_mss_pat: true}
"""


def differences(expect: str, then: str = "") -> set[tuple[str, str, str]]:
    text = f"{RULES}tests:\n  - name: essai\n{GIVEN}    expect: {{{expect}}}\n{then}"
    report = vectors.run(load_texts([("site.yaml", text)]))
    found = {result for result in report.failures if result.file != "site.yaml"}
    assert found == set()
    return {(each.what, each.expected, each.actual) for result in report.failures for each in result.differences}


def test_everything_that_a_decision_says_can_be_expected() -> None:
    assert (
        differences(
            'recipients: {pro: 2, cit: 1}, mailbox: {pro: labo, cit: ""}, priority: {dmp: normal, pro: low}, '
            'not_before: {dmp: "", cit: "2026-01-16 08:00"}, because: [COPIE, BOITE, HEURES, R02], '
            "not_because: [E05], plan: {dmp: send, pro: send, cit: send}"
        )
        == set()
    )


@pytest.mark.parametrize(
    ("expect", "what", "expected", "actual"),
    [
        ("recipients: {pro: 1}", "recipients.pro", "1", "2"),
        ("recipients: {cit: 0}", "recipients.cit", "0", "1"),
        ("mailbox: {pro: autre}", "mailbox.pro", "autre", "labo"),
        ("mailbox: {pro: ''}", "mailbox.pro", "", "labo"),
        ("priority: {pro: high}", "priority.pro", "high", "low"),
        ("not_before: {cit: ''}", "not_before.cit", "", "2026-01-16 08:00"),
        ("not_before: {pro: '2026-01-16 08:00'}", "not_before.pro", "2026-01-16 08:00", ""),
        ("until: {dmp: dmp_active}", "until.dmp", "dmp_active", ""),
        ("because: [E05]", "because", "E05", ""),
        ("not_because: [BOITE]", "not_because", "", "BOITE"),
    ],
)
def test_each_expectation_can_fail(expect: str, what: str, expected: str, actual: str) -> None:
    assert differences(expect) == {(what, expected, actual)}


def test_further_steps_change_the_situation_one_after_the_other() -> None:
    """Vectors 20 then 21: not qualified, then an A31 with VALI."""
    then = """\
    then:
      - given: {identity: not_qualified, at: "09:00"}
        expect: {plan: {dmp: hold, pro: send, cit: deny}, until: {dmp: identity_qualified}}
      - given: {feeding: IO}
        expect: {plan: {dmp: deny, cit: deny}}
      - given: {identity: qualified, feeding: INO, flags: {dest_mss_ps: false}}
        expect: {plan: {dmp: send, pro: deny, cit: send}, not_before: {cit: ""}, mailbox: {pro: ""}}
"""

    assert differences("plan: {dmp: send}", then) == set()


def test_a_step_that_fails_is_named_by_its_number() -> None:
    then = "    then:\n      - {given: {}, expect: {}}\n      - {given: {feeding: IO}, expect: {plan: {dmp: send}}}\n"

    assert differences("", then) == {("then.2.plan.dmp", "send", "deny")}


def test_an_operator_may_let_a_channel_go_in_a_test() -> None:
    then = """\
    then:
      - given: {confidentiality: R}
        expect: {plan: {dmp: hold}}
      - given: {released: [DMP]}
        expect: {plan: {dmp: send}, because: [RELEASED]}
"""

    assert differences("", then) == set()


def test_the_switches_of_the_sender_can_be_told() -> None:
    then = """\
    then:
      - given: {dmp_status: FERME}
        expect: {plan: {dmp: void}}
      - given: {no_dmp: hold}
        expect: {plan: {dmp: hold}, until: {dmp: dmp_active}}
      - given: {dmp_status: ACTIF, feeding: IO, opposed: hold}
        expect: {plan: {dmp: hold}, until: {dmp: objection_lifted}}
"""

    assert differences("", then) == set()


def test_the_tests_of_the_law_are_run_on_the_law_alone() -> None:
    """A site that closes everything does not make the tests of the table fail."""
    text = 'kind: site\nrules: [{id: RIEN, text: "Rien ne part.", then: {deny: {code: FERME}}}]\n'

    assert vectors.run(load_texts([("site.yaml", text)])).passed
