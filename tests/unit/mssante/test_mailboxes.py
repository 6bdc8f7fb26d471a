"""A rule of the site may choose the mailbox that sends."""

from typing import Any

import pytest

from connectors.mssante.connector import MssanteConnector
from pfi.model.delivery import OutcomeKind
from pfi.model.errors import ConfigurationError
from pfi.model.submission import Orders
from tests.unit.mssante.material import SURROUNDINGS, delivery, settings
from tests.unit.mssante.reader import read_mail

LABO = {"labo": "labo@ch-annexe.mssante.fr"}


def connector(**changes: Any) -> MssanteConnector:
    return MssanteConnector(settings(**changes), SURROUNDINGS)


def test_the_chosen_mailbox_is_the_sender_and_gives_its_domain_to_the_message_id() -> None:
    mail = read_mail(connector(mailboxes=LABO).preview(delivery(mailbox="labo")).content)

    assert mail["From"].addresses[0].addr_spec == "labo@ch-annexe.mssante.fr"
    assert mail["Message-ID"] == "<9b0c2a52-0d3c-4f43-8a57-1f6f5a3e7c11@ch-annexe.mssante.fr>"


def test_without_a_choice_the_usual_mailbox_sends() -> None:
    mail = read_mail(connector(mailboxes=LABO).preview(delivery()).content)

    assert mail["From"].addresses[0].addr_spec == "pfi.app@ch-exemple.mssante.fr"
    assert str(mail["Message-ID"]).endswith("@ch-exemple.mssante.fr>")


def test_a_reading_notice_goes_to_the_mailbox_that_sent() -> None:
    asked = delivery(mailbox="labo", orders=Orders(dest_mss_ps=True, ack_lecture_mss=True))
    mail = read_mail(connector(mailboxes=LABO).preview(asked).content)

    assert "labo@ch-annexe.mssante.fr" in mail["Disposition-Notification-To"]


async def test_an_unknown_mailbox_is_a_fault_of_the_configuration_and_nothing_leaves() -> None:
    outcome = await connector(mailboxes=LABO).send(delivery(mailbox="imagerie"))

    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "MSS_MAILBOX_UNKNOWN")
    assert "« imagerie »" in outcome.text
    assert "« mailboxes »" in outcome.text
    assert {each.kind for each in outcome.recipients} == {OutcomeKind.REFUSED}


def test_an_unknown_mailbox_has_no_preview() -> None:
    with pytest.raises(ConfigurationError, match="imagerie"):
        connector().preview(delivery(mailbox="imagerie"))
