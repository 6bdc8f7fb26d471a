"""A connector, its certificates and a delivery, for the tests of the DMP."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import xmlsec
from lxml import etree

from connectors.dmp.caller import Caller, caller
from connectors.dmp.settings import DmpSettings
from connectors.dmp.wire import Wire
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource
from pfi.model.decision import Channel
from pfi.model.delivery import Delivery, DeliveryIds
from pfi.model.parties import Author, Organization, Person
from pfi.model.patient import Ins, Patient, Traits
from pfi.model.submission import MessageHeader, Orders, Request, Stay
from pfi.standards.x509.authority import CertificateUse, PemIdentity, TestAuthority
from pfi.standards.x509.identity import CertifiedKey, from_pem
from tests.unit.xds.documents import INS_OID, MATRICULE, document

NOW = datetime.now(UTC).replace(microsecond=0)
RESOURCE_ID = f"{MATRICULE}^^^&{INS_OID}&ISO^NH"
SECRET = "4242-homologation"

SENDER = Author(
    person=Person("801234567897", "1.2.250.1.71.4.2.1", "IDNPS", "HODA", "Adam"),
    organization=Organization("CH de test", "1750000001", "1.2.250.1.71.4.2.2", "IDNST"),
)


@dataclass(frozen=True)
class Certificates:
    """One authority for both sides."""

    authority: TestAuthority
    client: PemIdentity
    signer: PemIdentity
    server: PemIdentity

    def write(self, folder: Path) -> None:
        files = {
            "ca.pem": self.authority.ca_pem,
            "client.pem": self.client.cert_pem,
            "client.key": self.client.key_pem,
            "sign.pem": self.signer.cert_pem,
            "sign.key": self.signer.key_pem,
            "server.pem": self.server.cert_pem,
            "server.key": self.server.key_pem,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)


@cache
def certificates() -> Certificates:
    authority = TestAuthority("AC de test", lambda: NOW)

    def legal_person(name: str, use: CertificateUse) -> PemIdentity:
        return authority.issue(name, organization="CH de test", identifier="1750000000", key_usage=use)

    return Certificates(
        authority=authority,
        client=legal_person("PFI auth", "auth_cli"),
        signer=legal_person('PFI "sign" <1>', "sign"),
        server=authority.issue("dmp", server_names=("localhost", "127.0.0.1"), key_usage="server"),
    )


@cache
def signing_key() -> CertifiedKey:
    signer = certificates().signer
    return from_pem(signer.cert_pem, signer.key_pem, subject="certificat", purpose="sign", now=NOW)


def settings(folder: Path | None = None, base: str = "https://dmp.invalid", **changes: Any) -> DmpSettings:
    """`changes` are top-level keys."""
    where = folder or Path("/nowhere")
    values: dict[str, Any] = {
        "urls": {"repository": f"{base}/repository", "registry": f"{base}/registry", "patients": f"{base}/patients"},
        "tls": {"certificate": where / "client.pem", "key": where / "client.key", "ca": where / "ca.pem"},
        "signing": {"certificate": where / "sign.pem", "key": where / "sign.key"},
        "structure": {"identifier": "1750000001", "name": "CH de test"},
        "source_oid": "1.2.250.1.999.1",
        "environment": "test",
        "product": {"homologation": SECRET},
        "timeouts": {"connect": 2, "write": 2, "read": 2},
    }
    return DmpSettings.model_validate({**values, **changes})


def counting_ids() -> IdSource:
    """Ids that replay: UUIDs 1, 2, 3..."""
    counter = itertools.count(1)
    return IdSource(uuid4=lambda: uuid.UUID(int=next(counter)))


def surroundings(clock: Callable[[], datetime] = lambda: NOW) -> Surroundings:
    return Surroundings(clock=clock, ids=counting_ids(), product_name="PFI", product_version="1.2")


PATIENT = Patient(
    ins=Ins(MATRICULE, INS_OID),
    traits=Traits(
        birth_name="PAT-TROIS",
        first_given_name="DOMINIQUE",
        given_names="DOMINIQUE MARIE-LOUISE",
        birth_date="19790328",
    ),
)


def delivery(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": uuid.UUID(int=7),
        "channel": Channel.DMP,
        "request": Request.INITIAL,
        "documents": (document(),),
        "patient": PATIENT,
        "qualified": True,
        "stay": Stay(patient_class="I"),
        "orders": Orders(),
        "message": MessageHeader("DPI", "CH", "PFI", "CH", "ORU", "R01", "ORU_R01", "1", "P", "2.5.1", "UNICODE UTF-8"),
        "sender": SENDER,
        "recipients": (),
        "reply_to": "",
        "body": None,
        "ids": DeliveryIds("1.2.250.1.999.1.10", "1.2.250.1.999.1.11", "m1", "e1", "c1"),
        "created_at": NOW,
    }
    return Delivery(**{**values, **changes})


def known_caller(of: Delivery | None = None, with_settings: DmpSettings | None = None) -> Caller:
    found = caller(of or delivery(), with_settings or settings())
    assert found is not None
    return found


def wire(with_settings: DmpSettings | None = None) -> Wire:
    return Wire(with_settings or settings(), surroundings(), signing_key(), SECRET)


@dataclass
class XmlsecVerifier:
    """xmlsec as an independent judge. `documents` answer the `urn:oid:` references of a manifest."""

    documents: dict[str, bytes] = field(default_factory=dict)

    def verify(self, signature: etree._Element, id_attribute: str) -> None:
        """Raises xmlsec.Error when the signature or a digest of SignedInfo is wrong."""
        xmlsec.tree.add_ids(signature.getroottree().getroot(), [id_attribute])
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(certificates().signer.cert_pem, xmlsec.constants.KeyDataFormatCertPem)
        context.verify(signature)
