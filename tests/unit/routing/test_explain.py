"""Decisions become French rows without any address."""

import pytest

from pfi.model.decision import Action, Channel
from pfi.routing.explain import ACTION_LABELS, CHANNEL_LABELS, CODE_LABELS, ExplainedDecision, explain
from tests.unit.routing.cases import case, decided, flags, shipped_rules
from tests.unit.routing.site_cases import site_book


def row(channel: Channel, **given: object) -> ExplainedDecision:
    (explained,) = explain([decided(case(**given))[channel]])
    return explained


def test_a_sending_says_its_recipients_by_number_and_its_obligation() -> None:
    explained = row(Channel.PRO, professionals=2)

    assert explained.channel == "MSSanté professionnels"
    assert (explained.action, explained.code, explained.why) == ("envoyer", "", "")
    assert (explained.recipients, explained.obligation) == (2, "dû")
    assert "@" not in str(explained)


@pytest.mark.parametrize(
    ("channel", "given", "action", "why", "obligation"),
    [
        (Channel.DMP, {"feeding": "IO"}, "ne pas envoyer", "opposition du patient", "dû, écart expliqué par la loi"),
        (
            Channel.DMP,
            {"flags": flags(dest_dmp=False)},
            "ne pas envoyer",
            "non demandé par l'émetteur",
            "dû, écart à justifier",
        ),
        (Channel.DMP, {"confidentiality": "R"}, "attendre", "confidentialité renforcée", "dû, en attente"),
        (Channel.DMP, {"dmp_status": "FERME"}, "sans objet", "DMP fermé", "dû, écart expliqué par la loi"),
        (Channel.CIT, {"type": "18748-4"}, "envoyer", "", "non dû"),
        (Channel.PRO, {"professionals": 0}, "ne pas envoyer", "aucun destinataire", "dû, écart à justifier"),
        (
            Channel.PRO,
            {"professionals": 0, "recipients": [{"address": "sans"}]},
            "ne pas envoyer",
            "aucune adresse utilisable",
            "dû, écart à justifier",
        ),
        (
            Channel.PRO,
            {"professionals": 0, "type": "PRESC-BIO"},
            "ne pas envoyer",
            "aucun professionnel choisi",
            "dû, écart expliqué par la loi",
        ),
    ],
)
def test_each_end_has_its_french_words(
    channel: Channel, given: dict[str, object], action: str, why: str, obligation: str
) -> None:
    explained = row(channel, **given)

    assert (explained.action, explained.why, explained.obligation) == (action, why, obligation)
    assert explained.reasons


def test_each_channel_has_its_own_name() -> None:
    names = [row(channel).channel for channel in (Channel.DMP, Channel.PRO, Channel.CIT)]
    assert names == ["DMP", "MSSanté professionnels", "Mon espace santé (patient)"]


def test_every_channel_action_and_shipped_code_has_a_label() -> None:
    assert set(CHANNEL_LABELS) == set(Channel)
    assert set(ACTION_LABELS) == set(Action)
    assert {rule.code for rule in shipped_rules().exceptions if rule.code} <= set(CODE_LABELS)


def test_what_a_site_rule_does_is_shown() -> None:
    book = site_book(
        "UNE | channels: [PRO] | mailbox: labo, priority: high, "
        "schedule: {days: [mon, tue, wed, thu, fri], from: '08:00', to: '18:00'}",
        "DEUX | channels: [CIT] | hold: {code: RELECTURE, expiry_days: 2}",
        "TROIS | channels: [DMP] | hold: {code: A_CONFIRMER, until: dmp_active, expiry_days: 1}, priority: low",
    )
    dmp, pro, cit = explain(decided(case(at="19:00"), book).values())

    assert (pro.mailbox, pro.priority, pro.not_before, pro.waits_for) == ("labo", "haute", "16/01/2026 à 08:00", "")
    assert cit.waits_for == "qu'un exploitant libère l'envoi, 2 jours au plus"
    assert dmp.waits_for == "que le DMP soit connu actif, 1 jour au plus"
    assert (dmp.priority, cit.priority, cit.mailbox, cit.not_before) == ("basse", "", "", "")
    assert (cit.code, cit.why) == ("RELECTURE", "RELECTURE"), "a code of the site has no label"


def test_what_the_law_holds_until_an_event_says_so() -> None:
    assert row(Channel.DMP, identity="not_qualified").waits_for == "que l'identité soit qualifiée"
