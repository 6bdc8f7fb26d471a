"""The lines of `pfi rules diff` say what changes, in French, within 80 columns."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pfi.cli.rules.words import CHANGES, SKIPPED, change_lines, change_object
from pfi.engine.comparison import Change, ChangeKind, Skipped, Verdict
from pfi.model.decision import Action, Channel, Priority, Trigger

SENT = Verdict(Action.SEND, "", 2, True, False, None, None, None, Priority.NORMAL, "")
HELD = replace(SENT, action=Action.HOLD, code="RELECTURE", until=Trigger.HUMAN_RELEASE, expiry_days=15)


def change(kind: ChangeKind, before: Verdict, after: Verdict, channel: Channel = Channel.PRO) -> Change:
    return Change("12", "1.2.3", "11490-0", "Lettre de liaison", channel, kind, before, after, ("SITE_A", "R02"))


def lines(told: Change, *, same_message: bool = False) -> list[str]:
    return list(change_lines(told, same_message=same_message))


def flat(told: Change) -> str:
    return " ".join(" ".join(lines(told)).split())


def test_an_action_that_changes_is_said_with_its_code_and_number_of_recipients() -> None:
    assert lines(change(ChangeKind.ACTION, SENT, HELD)) == [
        "n° 12 : Lettre de liaison (11490-0)",
        "  MSSanté professionnels : envoyer à 2 destinataires -> attendre (RELECTURE)",
        "    règles : SITE_A, R02",
    ]


def test_the_message_is_named_once_and_the_dmp_has_no_recipients() -> None:
    assert lines(change(ChangeKind.ACTION, SENT, HELD, Channel.DMP), same_message=True) == [
        "  DMP : envoyer -> attendre (RELECTURE)",
        "    règles : SITE_A, R02",
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"priority": Priority.HIGH}, "sans condition -> priorité haute"),
        ({"mailbox": "laboratoire"}, "sans condition -> boîte laboratoire"),
        ({"not_before": datetime(2026, 1, 19, 7, 0, tzinfo=UTC)}, "-> pas avant le 2026-01-19 à 07:00 UTC"),
        ({"expiry_days": 7, "until": Trigger.DMP_ACTIVE}, "-> jusqu'à l'ouverture du DMP, pendant 7 jours"),
    ],
)
def test_terms_that_change_are_said(changed: dict[str, object], said: str) -> None:
    told = change(ChangeKind.TERMS, SENT, replace(SENT, **changed))  # type: ignore[arg-type]  # fields of a verdict

    assert said in flat(told)


def test_a_duty_that_changes_is_said() -> None:
    denied = replace(SENT, action=Action.DENY, code="ORDER_NO", due=False)
    explained, unexplained = replace(denied, due=True, legal_gap=True), replace(denied, due=True)

    assert "ne pas envoyer, non dû -> dû, écart expliqué par la loi" in flat(change(ChangeKind.DUTY, denied, explained))
    assert "écart expliqué par la loi -> dû" in flat(change(ChangeKind.DUTY, explained, unexplained))


def test_every_change_and_every_reason_to_skip_has_its_words() -> None:
    whats = {
        change(ChangeKind.ACTION, replace(SENT, action=one), replace(SENT, action=other)).what
        for one in Action
        for other in Action
        if one is not other
    }

    assert set(CHANGES) == whats | (set(ChangeKind) - {ChangeKind.ACTION})
    assert set(SKIPPED) == set(Skipped)


def test_long_names_are_wrapped_within_80_columns() -> None:
    told = replace(
        change(ChangeKind.ACTION, SENT, HELD),
        message="un/dossier/au/nom/long/" + "a" * 40 + ".hl7",
        rules=tuple(f"REGLE_DU_SITE_NUMERO_{number}" for number in range(9)),
    )

    assert max(len(line) for line in lines(told)) <= 80


def test_the_object_names_no_address() -> None:
    found = change_object(change(ChangeKind.ACTION, SENT, HELD))

    assert found["change"] == "send>hold"
    assert (found["before"]["recipients"], found["after"]["until"]) == (2, Trigger.HUMAN_RELEASE)
    assert found["rules"] == ("SITE_A", "R02")
