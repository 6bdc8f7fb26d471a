"""Model values to and from the JSON columns."""

from typing import Any

import orjson
from pydantic import TypeAdapter

from pfi.model.adt import PatientEvent
from pfi.model.decision import Reason
from pfi.model.delivery import DeliveryIds
from pfi.model.parties import Recipient
from pfi.model.patient import PatientState

_RECIPIENTS = TypeAdapter(tuple[Recipient, ...])
_BECAUSE = TypeAdapter(tuple[Reason, ...])
_IDS = TypeAdapter(DeliveryIds)
_STATE = TypeAdapter(PatientState)
_EVENT = TypeAdapter(PatientEvent)


def dump_recipients(recipients: tuple[Recipient, ...]) -> Any:
    return _RECIPIENTS.dump_python(recipients, mode="json")


def load_recipients(value: Any) -> tuple[Recipient, ...]:
    return _RECIPIENTS.validate_json(orjson.dumps(value))


def dump_because(because: tuple[Reason, ...]) -> Any:
    return _BECAUSE.dump_python(because, mode="json")


def load_because(value: Any) -> tuple[Reason, ...]:
    return _BECAUSE.validate_json(orjson.dumps(value))


def dump_ids(ids: DeliveryIds) -> Any:
    return _IDS.dump_python(ids, mode="json")


def load_ids(value: Any) -> DeliveryIds:
    return _IDS.validate_json(orjson.dumps(value))


def dump_state(state: PatientState) -> Any:
    return _STATE.dump_python(state, mode="json")


def load_state(value: Any) -> PatientState:
    return _STATE.validate_json(orjson.dumps(value))


def dump_event(event: PatientEvent) -> Any:
    return _EVENT.dump_python(event, mode="json")


def load_event(value: Any) -> PatientEvent:
    return _EVENT.validate_json(orjson.dumps(value))


def clean(text: str) -> str:
    """PostgreSQL text cannot hold U+0000, nor what is not Unicode."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
