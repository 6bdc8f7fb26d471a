"""Model values survive the store."""

from datetime import UTC, datetime

import orjson

from pfi.model.decision import Reason
from pfi.model.delivery import DeliveryIds
from pfi.model.parties import Device, Organization, Person, Recipient, RecipientKind
from pfi.model.patient import DmpStatus, Feeding, Identifier, Ins, Patient, PatientState, Traits
from pfi.store import values
from pfi.store.values import clean


def test_recipients_come_back_as_they_were() -> None:
    recipients = (
        Recipient(RecipientKind.PROFESSIONAL, "a@b.fr", Person("801", "oid", "IDNPS", "NOM", "Prénom"), identifier="1"),
        Recipient(RecipientKind.ORGANIZATION, "c@d.fr", organization=Organization("CH"), device=Device("x")),
    )
    assert values.load_recipients(_stored(values.dump_recipients(recipients))) == recipients


def test_reasons_and_ids_come_back_as_they_were() -> None:
    because = (Reason("R06", "Ligne R06."),)
    ids = DeliveryIds("1.2", "1.3", "m", "e", "C")
    assert values.load_because(_stored(values.dump_because(because))) == because
    assert values.load_ids(_stored(values.dump_ids(ids))) == ids


def test_a_patient_state_comes_back_as_it_was() -> None:
    state = PatientState(
        identity=Patient(
            ins=Ins("279035121518989", "1.2.250.1.213.1.4.10"),
            identifiers=(Identifier("1", "2", "CH", "PI"),),
            traits=Traits("PAT-TROIS", "DOMINIQUE"),
        ),
        reliability=("VALI",),
        reliability_at=datetime(2026, 3, 1, tzinfo=UTC),
        dmp_status=DmpStatus.ACTIVE,
        feeding=Feeding.OPPOSED,
        last_event_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
    )
    assert values.load_state(_stored(values.dump_state(state))) == state


def test_text_that_postgresql_cannot_hold_is_replaced() -> None:
    assert clean("a\x00b") == "a\ufffdb"
    assert clean("a\udc80b") == "a?b"


def _stored(value: object) -> object:
    return orjson.loads(orjson.dumps(value))
