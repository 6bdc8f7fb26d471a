"""An identity, settings and answers for the tests of INSi. Everybody is invented, or the public identity of tests."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.insi.questions import Question
from connectors.insi.settings import InsiSettings
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource
from pfi.model.patient import Ins, Patient, Traits

NOW = datetime.now(UTC).replace(microsecond=0)
MATRICULE = "279035121518989"
TEST_NIR = "1.2.250.1.213.1.4.10"
NIR = "1.2.250.1.213.1.4.8"
RESULT = "http://www.cnamts.fr/INSiResultat"
UNITARY = "http://www.cnamts.fr/INSiLot2/REPUnitaire"
SOAP = "http://www.w3.org/2003/05/soap-envelope"

PATIENT = Patient(
    ins=Ins(MATRICULE, TEST_NIR),
    traits=Traits(
        birth_name="PAT-TROIS",
        first_given_name="DOMINIQUE",
        given_names="DOMINIQUE MARIE-LOUISE",
        birth_date="19790328",
        sex="F",
        birth_place="51215",
    ),
)


def patient(**traits: str) -> Patient:
    """The test identity with other traits."""
    return replace(PATIENT, traits=replace(PATIENT.traits, **traits))


def settings(folder: Path | None = None, url: str = "https://insi.invalid", **changes: Any) -> InsiSettings:
    """`changes` are top-level keys."""
    where = folder or Path("/nowhere")
    values: dict[str, Any] = {
        "url": f"{url}/lps",
        "tls": {"certificate": where / "client.pem", "key": where / "client.key", "ca": where / "ca.pem"},
        "issuer": "1750000001",
        "software": {"idam": "IDAM-ESSAI", "instance": "5a1f4c0e-0f0d-4c1b-9a51-6b1e6f1d2026"},
        "environment": "test",
        "operation": "search",
        "timeouts": {"connect": 2, "read": 2, "total": 5},
    }
    return InsiSettings.model_validate({**values, **changes})


def surroundings(clock: Callable[[], datetime] = lambda: NOW) -> Surroundings:
    counter = itertools.count(1)
    ids = IdSource(uuid4=lambda: uuid.UUID(int=next(counter)))
    return Surroundings(clock=clock, ids=ids, product_name="PFI", product_version="1.2")


def question(**changes: str) -> Question:
    ins = PATIENT.ins
    assert ins is not None
    return replace(Question(ins, "PAT-TROIS", "DOMINIQUE", "F", "1979-03-28"), **changes)  # type: ignore[arg-type]


def envelope(body: str) -> bytes:
    return f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def ins_element(name: str, number: str, key: str = "89", oid: str = TEST_NIR) -> str:
    written = f"<Cle>{key}</Cle>" if key else ""
    number = f"<NumIdentifiant>{number}</NumIdentifiant>{written}"
    return f"<{name}><IdIndividu>{number}</IdIndividu><OID>{oid}</OID></{name}>"


def individual(active: str = "", former: str = "", **traits: str) -> str:
    """INDIVIDU of the test identity; `traits` replace what INSi would say, empty ones are left out."""
    known = {
        "NomNaissance": "PAT-TROIS",
        "ListePrenom": "DOMINIQUE MARIE-LOUISE",
        "Sexe": "F",
        "DateNaissance": "1979-03-28",
        "LieuNaissance": "51215",
        **traits,
    }
    written = "".join(f"<{name}>{value}</{name}>" for name, value in known.items() if value)
    active = active or ins_element("INSACTIF", "2790351215189")
    return f"<INDIVIDU>{active}{former}<TIQ>{written}</TIQ></INDIVIDU>"


def result(code: str = "00", body: str = "", namespace: str = RESULT) -> bytes:
    """RESULTAT."""
    return envelope(
        f'<RESULTAT xmlns="{namespace}"><CR><CodeCR>{code}</CodeCR><LibelleCR>x</LibelleCR></CR>{body}</RESULTAT>'
    )


def fault(code: str = "", side: str = "Receiver", subcode: str = "siram_40") -> bytes:
    """A SOAP fault; `code` is that of siram:Erreur, empty = none."""
    detail = f'<s:Detail><e:Erreur xmlns:e="urn:siram" severite="fatal" code="{code}">PAT-TROIS</e:Erreur></s:Detail>'
    return envelope(
        f"<s:Fault><s:Code><s:Value>s:{side}</s:Value><s:Subcode><s:Value>s:{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="fr">PAT-TROIS</s:Text></s:Reason>{detail if code else ""}</s:Fault>'
    )
