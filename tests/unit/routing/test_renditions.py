"""What one of the documents of a message says counts for all of them."""

from dataclasses import replace

from pfi.model.decision import Channel, Decision
from pfi.model.document import CodedValue
from pfi.routing.decide import decide
from pfi.routing.rulefile import Tag
from pfi.routing.rulefile.sitefile import TagRule
from pfi.routing.rules import RuleBook
from pfi.routing.specimen import Specimen
from tests.unit.routing.cases import case, flags, plan, rules_of, shipped_rules, with_header, with_submission
from tests.unit.routing.site_cases import site_book


def decided_with(code: str, one: Specimen, rules: RuleBook | None = None) -> dict[Channel, Decision]:
    """What is decided of the same message with a second document, of this type."""
    first = one.submission.documents[0]
    other = replace(first, header=replace(first.header, code=CodedValue(code)))
    both = with_submission(one, lambda each: replace(each, documents=(other, first)))
    decisions = decide(both.submission, both.state, both.identity, rules or shipped_rules(), both.profile, both.now)
    assert len(decisions) == 6
    return {each.channel: each for each in decisions}


def test_the_genetics_of_one_of_them_keep_both_from_the_patient() -> None:
    assert decided_with("51969-4", case(prescriber=True))[Channel.CIT].code == "GENETICS"


def test_the_day_of_one_of_them_is_that_of_both() -> None:
    hours = "UNE | channels: [PRO] | schedule: {days: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00'}"
    decision = decided_with("34874-8", case(at="19:00"), site_book(hours))[Channel.PRO]

    assert {"R02", "R09", "SCHEDULE_AFTER_DEADLINE"} <= set(rules_of(decision))


def test_a_tag_of_the_type_of_one_of_them_is_that_of_both() -> None:
    rule = TagRule(types=frozenset({"34874-8"}), add=frozenset({Tag.CIT_OPPOSED}))
    rules = replace(shipped_rules(), tags=(rule,))

    assert decided_with("34874-8", case(), rules)[Channel.CIT].code == "CIT_OPPOSED"


def test_the_birth_date_of_the_document_counts_too() -> None:
    one = with_header(
        case(flags=flags(connexion_secrete=True, invisible_rep_legaux=True)),
        lambda header: replace(
            header, patient=replace(header.patient, traits=replace(header.patient.traits, birth_date="20150101"))
        ),
    )

    assert plan(one)["CIT"] == "deny SECRET_MINOR"


def test_the_row_of_one_of_them_is_told_even_after_one_that_asks_nothing() -> None:
    """R04 asks nothing of the channel of the patient."""
    assert "R09" in rules_of(decided_with("11502-2", case(type="34874-8"))[Channel.CIT])


def test_a_date_that_one_of_them_does_not_tell_is_told_as_unknown() -> None:
    one = case()
    first = one.submission.documents[0]
    undated = replace(first, header=replace(first.header, effective_time="hier"))
    both = with_submission(one, lambda each: replace(each, documents=(first, undated)))
    decisions = decide(both.submission, both.state, both.identity, shipped_rules(), both.profile, both.now)

    assert all("DATE_UNKNOWN" in rules_of(each) for each in decisions)
