"""The keys under which what is known of a patient may be found, in the clear: the store keeps their HMAC only."""

from collections.abc import Iterable

from pfi.model.patient import Identifier, Ins, Patient


def patient_keys(patient: Patient) -> tuple[str, ...]:
    """The keys under which what is known of a patient may be found: the INS first, then local identifiers."""
    return (*ins_keys((patient.ins,) if patient.ins else ()), *local_keys(patient.identifiers))


def ins_keys(every: Iterable[Ins]) -> tuple[str, ...]:
    """Keys of INS."""
    return tuple(f"ins:{ins.oid}:{ins.matricule}" for ins in every)


def local_keys(identifiers: Iterable[Identifier]) -> tuple[str, ...]:
    """Keys of the permanent local identifiers (IPP, CX-5 = PI) among these."""
    return tuple(
        f"local:{identifier.authority_oid or identifier.authority_name}:{identifier.value}"
        for identifier in identifiers
        if identifier.type_code == "PI"
    )
