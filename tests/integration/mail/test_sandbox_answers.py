"""Answers that the sandbox sends on demand: an independent reader understands them, and so do we."""

from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from connectors.sandbox.operator.answers import Answer
from connectors.sandbox.operator.mailboxes import APPLICATION_MAILBOX
from connectors.sandbox.sandbox import Sandbox
from pfi.model.delivery import OutcomeKind
from pfi.standards.mail.dsn import DsnAction, read_dsn
from tests.integration.mail.test_postfix import NOW
from tests.unit.mssante.material import delivery, professional

DOCTOR = "docteur.essai@medecin.mssante.fr"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path) as started:
        yield started


async def send(sandbox: Sandbox, **changes: Any) -> str:
    """One mail carried to the doctor; its Message-ID."""
    connector = MssanteConnector(MssanteSettings.model_validate(sandbox.configuration()["mssante"]), NOW)
    await connector.open()
    outcome = await connector.send(delivery(recipients=(professional(DOCTOR),), **changes))
    await connector.close()
    assert outcome.kind is OutcomeKind.DELIVERED, outcome
    for path in sandbox.operator.mailboxes.messages(APPLICATION_MAILBOX):
        path.unlink()  # the report of success
    return outcome.evidence["message_id"]


async def order(sandbox: Sandbox, kind: Answer | str, **more: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        body = {"recipient": DOCTOR, "kind": str(kind), **more}
        return await http.post(f"{sandbox.configuration()['control']['url']}/answers", json=body)


def arrived(sandbox: Sandbox) -> bytes:
    (path,) = sandbox.operator.mailboxes.messages(APPLICATION_MAILBOX)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "action", "acknowledged"),
    [
        (Answer.DSN_DELIVERED, DsnAction.DELIVERED, True),
        (Answer.DSN_DELAYED, DsnAction.DELAYED, None),
        (Answer.DSN_RELAYED, DsnAction.RELAYED, True),
        (Answer.DSN_FAILED, DsnAction.FAILED, False),
    ],
)
async def test_reports_on_demand(sandbox: Sandbox, kind: Answer, action: DsnAction, acknowledged: bool | None) -> None:
    await send(sandbox)
    assert (await order(sandbox, kind)).status_code == 204
    found = read_dsn(arrived(sandbox))
    assert found is not None
    (recipient,) = found.recipients
    assert found.envelope == delivery().ids.envelope
    assert (recipient.original_address, recipient.action, recipient.acknowledged) == (DOCTOR, action, acknowledged)


@pytest.mark.parametrize(
    ("kind", "disposition", "subject"),
    [
        (Answer.MDN, "automatic-action/MDN-sent-automatically; processed", "XDM/1.0/DDM+"),
        (
            Answer.MDN_ERROR,
            "automatic-action/MDN-sent-automatically; processed/error",
            "[KO Intégration système !][902]",
        ),
        (
            Answer.MDN_ERROR_112,
            "automatic-action/MDN-sent-automatically; processed/Error: 902^Identifiant de patient inconnu^"
            "messageErrorCondition| E^Error^errorSeverity",
            "[KO Intégration système !][902]",
        ),
        (Answer.MDN_READ, "manual-action/MDN-sent-manually; displayed", "XDM/1.0/DDM+"),
        (Answer.MDN_DELETED, "manual-action/MDN-sent-manually; deleted", "XDM/1.0/DDM+"),
    ],
)
async def test_processing_is_acknowledged_on_demand(
    sandbox: Sandbox, kind: Answer, disposition: str, subject: str
) -> None:
    message_id = await send(sandbox, orders=replace(delivery().orders, ack_lecture_mss=True))
    assert (await order(sandbox, kind, message_id=message_id)).status_code == 204
    mail = message_from_bytes(arrived(sandbox), policy=policy.SMTP)
    assert isinstance(mail, EmailMessage)
    assert (mail.get_content_type(), mail.get_param("report-type")) == (
        "multipart/report",
        "disposition-notification",
    )
    assert str(mail["Subject"]).startswith(subject)
    assert (str(mail["From"]), str(mail["To"])) == (DOCTOR, APPLICATION_MAILBOX)
    _text, notification, original = (part for part in mail.iter_parts() if isinstance(part, EmailMessage))
    fields, returned = (part.get_payload(0) for part in (notification, original))
    assert isinstance(fields, EmailMessage)
    assert isinstance(returned, EmailMessage)
    assert fields["Original-Message-ID"] == message_id
    assert fields["Disposition"] == disposition
    assert ("Error" in fields) == (kind is Answer.MDN_ERROR)
    assert returned["Message-ID"] == message_id


async def test_a_bounce_in_prose_names_the_mail(sandbox: Sandbox) -> None:
    message_id = await send(sandbox)
    assert (await order(sandbox, Answer.BOUNCE)).status_code == 204
    found = read_dsn(arrived(sandbox))
    assert found is not None
    assert (found.envelope, found.message_ids) == ("", (message_id,))


async def test_what_cannot_be_answered_is_said(sandbox: Sandbox) -> None:
    assert (await order(sandbox, Answer.MDN)).status_code == 400  # nothing was carried
    await send(sandbox)
    assert (await order(sandbox, Answer.MDN)).status_code == 400  # it did not ask for one
    assert (await order(sandbox, "fax")).status_code == 400
    assert (await order(sandbox, Answer.BOUNCE, message_id="<autre@ch.test>")).status_code == 400
    assert sandbox.operator.mailboxes.messages(APPLICATION_MAILBOX) == ()
