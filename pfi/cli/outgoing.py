"""What `pfi explain --out` writes: the very bytes that would leave, for any validator.

Connectors come from the configuration; a channel without destination is previewed with stand-in settings and throw-away
certificates, so that an integrator needs no configuration to look at a lot or a mail.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pfi import __version__
from pfi.engine.configuration import Configuration
from pfi.engine.connector import Connector, Surroundings
from pfi.engine.interpretation import Conclusion, Interpretation, acknowledgment, plan
from pfi.engine.reporting import at_intake, ordered
from pfi.model.acknowledgment import BusinessAck, BusinessEvent
from pfi.model.clock import IdSource
from pfi.model.decision import Action, Channel
from pfi.model.delivery import Delivery
from pfi.model.profile import Environment
from pfi.model.submission import Submission
from pfi.standards.hl7v2.zam import write_zam
from pfi.standards.x509.authority import TestAuthority

_NAMES = {Channel.DMP: "dmp", Channel.PRO: "pro", Channel.CIT: "citizen"}
_STAND_IN = {Channel.DMP: "dmp", Channel.PRO: "mssante", Channel.CIT: "mssante"}


def write_outgoing(
    folder: Path,
    interpretation: Interpretation,
    conclusion: Conclusion,
    configuration: Configuration,
    now: datetime,
) -> tuple[Path, ...]:
    """Writes `ack.hl7`, `dmp-N.http`, `pro-N.eml`, `citizen-N.eml` and `zam-N.hl7`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = IdSource(oid_root=configuration.settings.site.oid_root)
    written: list[Path] = []

    def write(name: str, content: bytes) -> None:
        path = folder / name
        path.write_bytes(content)
        written.append(path)

    ack = acknowledgment(interpretation, conclusion, control_id=ids.control_id(), now=now)
    if ack is not None and interpretation.header is not None and interpretation.header.message_code != "CDA":
        write("ack.hl7", ack)
    sent: list[Delivery] = []
    with tempfile.TemporaryDirectory() as scratch:
        workshop = _Workshop(configuration, Path(scratch), interpretation.profile.environment, ids, now)
        counts = dict.fromkeys(Channel, 0)
        for planned in plan(conclusion, ids, now):
            if planned.decision.action is not Action.SEND:
                continue
            delivery = planned.delivery
            connector = workshop.connector(delivery.channel)
            counts[delivery.channel] += 1
            preview = connector.preview(delivery)
            write(f"{_NAMES[delivery.channel]}-{counts[delivery.channel]}.{preview.extension}", preview.content)
            sent.append(delivery)
    if conclusion.submission is not None:
        acks = (
            *at_intake(conclusion.submission, conclusion.decisions, now),
            *_when_delivered(conclusion.submission, sent, now),
        )
        for number, business_ack in enumerate(acks, start=1):
            content = write_zam(conclusion.submission.message, business_ack, control_id=ids.control_id(), now=now)
            write(f"zam-{number}.hl7", content)
    return tuple(written)


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

    def connector(self, channel: Channel) -> Connector:
        name = self._configuration.settings.destination_of(channel)
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
