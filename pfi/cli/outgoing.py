"""What `pfi explain --out` writes: the very bytes that would leave, for any validator.

Connectors come from the configuration; a channel without destination is previewed with stand-in settings and throw-away
certificates, so that an integrator needs no configuration to look at a lot or a mail.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from pfi import __version__
from pfi.engine.conclusion import Conclusion, acknowledgment
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Connector, Preview, Surroundings
from pfi.engine.interpretation import Interpretation
from pfi.engine.plan import plan
from pfi.engine.reporting import at_intake, ordered, refusal
from pfi.model.acknowledgment import AckCode, BusinessAck, BusinessEvent
from pfi.model.clock import IdSource
from pfi.model.decision import Action, Channel
from pfi.model.delivery import Delivery
from pfi.model.errors import PfiError
from pfi.model.finding import Finding, Severity
from pfi.model.parties import Establishment
from pfi.model.profile import Environment
from pfi.model.submission import Request, Standard, Submission
from pfi.standards.hl7v2.zam import write_zam
from pfi.standards.x509.authority import TestAuthority

_NAMES = {Channel.DMP: "dmp", Channel.PRO: "pro", Channel.CIT: "citizen"}
_WORDS = {Channel.DMP: "DMP", Channel.PRO: "MSSanté professionnels", Channel.CIT: "MSSanté citoyenne"}
_STAND_IN = {Channel.DMP: "dmp", Channel.PRO: "mssante", Channel.CIT: "mssante"}
_OURS = ("ack.hl7", "ack.json", "dmp-*.http", "pro-*.eml", "citizen-*.eml", "zam-*.hl7")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What was written, and what there is to say about it (`OUT_REFUSED`, `OUT_REFERENCE_UNKNOWN`)."""

    paths: tuple[Path, ...]
    notes: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A delivery that its connector would refuse before any network."""

    delivery: Delivery
    code: str
    text: str


def write_outgoing(
    folder: Path,
    interpretation: Interpretation,
    conclusion: Conclusion,
    configuration: Configuration,
    now: datetime,
) -> Outgoing:
    """Writes `ack.hl7` (`ack.json`), `dmp-N.http`, `pro-N.eml`, `citizen-N.eml` and `zam-N.hl7`; those of a former
    run go away.

    A channel whose connector would refuse the document gets no file and a note that says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for former in folder.glob(pattern):
            former.unlink()
    ids = IdSource(oid_root=configuration.settings.site.oid_root)
    written: list[Path] = []

    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        written.append(path)

    ack = acknowledgment(interpretation, conclusion, control_id=ids.control_id(), now=now)
    # Nobody sent a bare document: nobody is answered.
    if ack is not None and interpretation.header is not None and interpretation.header.message_code != "CDA":
        write("ack.json" if interpretation.standard is Standard.FHIR else "ack.hl7", ack)
    if conclusion.submission is None or conclusion.ack.code is not AckCode.AA:
        return Outgoing(tuple(written), ())
    sent: list[Delivery] = []
    refused: list[_Refusal] = []
    notes: list[Finding] = []
    with tempfile.TemporaryDirectory() as scratch:
        workshop = _Workshop(configuration, Path(scratch), interpretation.profile.environment, ids, now)
        for planned in plan(conclusion, ids, now):
            if planned.decision.action is not Action.SEND:
                continue
            delivery = planned.delivery
            made = _preview(workshop.connector(delivery.channel, delivery.establishment), delivery)
            if isinstance(made, _Refusal):
                refused.append(made)
                notes.append(_refused_note(made))
                continue
            name = f"{_NAMES[delivery.channel]}-1.{made.extension}"
            write(name, made.content)
            sent.append(delivery)
            if delivery.channel is Channel.DMP and delivery.request is not Request.INITIAL:
                notes.append(_reference_note(name))
    acks = (
        *at_intake(conclusion.submission, conclusion.decisions, now),
        *_refused_by_connectors(conclusion.submission, refused, now),
        *_when_delivered(conclusion.submission, sent, now),
    )
    for number, business_ack in enumerate(acks, start=1):
        content = write_zam(conclusion.submission.message, business_ack, control_id=ids.control_id(), now=now)
        write(f"zam-{number}.hl7", content)
    return Outgoing(tuple(written), tuple(notes))


def _preview(connector: Connector, delivery: Delivery) -> Preview | _Refusal:
    try:
        preview = connector.preview(delivery)
    except PfiError as error:
        return _Refusal(delivery, error.code, error.text)
    if preview.extension == "eml" and "To" not in BytesHeaderParser().parsebytes(preview.content):
        return _Refusal(delivery, _NOBODY, "Aucune adresse de destinataire n'est utilisable.")
    return preview


_NOBODY = "510"
"""SMTPERRORCODE of a recipient address that cannot be used (hl7v2 digest §4.3)."""


def _refused_note(refusal: _Refusal) -> Finding:
    channel = refusal.delivery.channel
    text = f"{_WORDS[channel]} : rien ne partirait, aucun fichier n'est écrit. {refusal.text} ({refusal.code})"
    return Finding("OUT_REFUSED", Severity.WARNING, str(channel), text)


def _reference_note(name: str) -> Finding:
    text = (
        f"{name} : l'entryUUID du document remplacé ou supprimé, que seul le DMP connaît, est écrit en zéros. "
        "À l'envoi, il est d'abord demandé au DMP (TD3.1b)."
    )
    return Finding("OUT_REFERENCE_UNKNOWN", Severity.INFO, str(Channel.DMP), text, "DMP digest §1.5")


def _refused_by_connectors(submission: Submission, refused: list[_Refusal], now: datetime) -> Iterator[BusinessAck]:
    for each in refused:
        yield from refusal(submission, each.delivery.channel, each.delivery.recipients, each.code, each.text, now)


def _when_delivered(submission: Submission, deliveries: list[Delivery], now: datetime) -> Iterator[BusinessAck]:
    """The acknowledgments that will follow once everything has been delivered."""
    for delivery in deliveries:
        if not ordered(submission.orders, delivery.channel):
            continue
        if delivery.channel is Channel.DMP:
            yield BusinessAck(BusinessEvent.DMP_RECEPTION, submission.message.control_id, True, now)
        for recipient in delivery.recipients:
            yield BusinessAck(
                BusinessEvent.MSS_RECEPTION,
                submission.message.control_id,
                True,
                now,
                mailbox=recipient.address,
                party_id=recipient.identifier,
            )


class _Workshop:
    """Builds each connector once, opened without any network."""

    def __init__(
        self, configuration: Configuration, scratch: Path, environment: Environment, ids: IdSource, now: datetime
    ) -> None:
        self._configuration = configuration
        self._scratch = scratch
        self._environment = environment
        self._surroundings = Surroundings(lambda: now, ids, product_version=__version__)
        self._known: dict[str, Connector] = {}

    def connector(self, channel: Channel, establishment: Establishment) -> Connector:
        name = self._configuration.settings.destination_of(channel, establishment)
        key = name or _STAND_IN[channel]
        if key not in self._known:
            self._known[key] = self._build(name, key)
        return self._known[key]

    def _build(self, name: str | None, key: str) -> Connector:
        if name is not None:
            destination = self._configuration.settings.destinations[name]
            kind, given = destination.connector, destination.settings
        else:
            kind, given = key, stand_in_settings(key, self._scratch, self._environment, self._surroundings.clock())
        connector_class, settings = self._configuration.connector(kind, given, ("destinations", key))
        connector: Connector = connector_class(settings, self._surroundings)
        asyncio.run(connector.open())
        return connector


def stand_in_settings(connector: str, scratch: Path, environment: Environment, now: datetime) -> dict[str, Any]:
    """Settings that can build bytes and reach nobody: names of the reserved domain `.invalid`, keys made now."""
    authority = TestAuthority("PFI explain, certificats jetables", lambda: now)
    (scratch / "ca.pem").write_bytes(authority.ca_pem)
    for use in ("auth_cli", "sign"):
        identity = authority.issue(f"PFI explain {use}", organization="PFI", identifier="1000000000", key_usage=use)
        (scratch / f"{use}.pem").write_bytes(identity.cert_pem)
        (scratch / f"{use}.key").write_bytes(identity.key_pem)
    if connector == "dmp":
        base = "https://dmp.invalid/si-dmp-server/v2/services"
        return {
            "urls": {service: f"{base}/{service}" for service in ("repository", "registry", "patients")},
            "tls": {"certificate": scratch / "auth_cli.pem", "key": scratch / "auth_cli.key", "ca": scratch / "ca.pem"},
            "signing": {"certificate": scratch / "sign.pem", "key": scratch / "sign.key"},
            "structure": {"identifier": "1000000000", "name": "Établissement"},
            "responsible": {"identifier": "3000000000/PFI", "family": "PFI"},
            "product": {"name": "PFI", "homologation": "explain"},
            "source_oid": "2.25.1",
            "environment": environment,
        }
    return {
        "host": "mssante.invalid",
        "ca_bundle": scratch / "ca.pem",
        "client_cert": scratch / "auth_cli.pem",
        "client_key": scratch / "auth_cli.key",
        "mailbox": "pfi@etablissement.mssante.fr",
        "nil": "EXPLAIN",
        "source_oid": "2.25.1",
    }
