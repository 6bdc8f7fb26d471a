"""A patient who blocks the professional or the establishment (exception E10): refused for good, told to the creator."""

import pytest

from connectors.dmp.connector import DmpConnector
from connectors.sandbox.dmp.patients import DmpState
from pfi.model.delivery import OutcomeKind
from tests.contract.test_dmp_consultation import Ward, directory, numbered, surroundings, ward
from tests.unit.xds.documents import MATRICULE

__all__ = ["directory", "ward"]


async def test_a_blocking_is_learnt_before_feeding(ward: Ward) -> None:
    ward.sandbox.dmp.put_patient(MATRICULE, DmpState.BLOCKED)
    outcome = await ward.feeder.send(ward.delivery(numbered(101)))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "DMP_BLOCKED")
    assert "bloqué" in outcome.text
    assert [call.transaction for call in ward.sandbox.dmp.calls] == ["TD0.2"]


async def test_a_blocking_of_one_sender_is_not_remembered_for_the_others(ward: Ward) -> None:
    ward.sandbox.dmp.patients.block(MATRICULE, "1990000033")
    refused = await ward.feeder.send(ward.delivery(numbered(102), structure="1990000033"))
    assert refused.code == "DMP_BLOCKED"
    assert (await ward.feeder.send(ward.delivery(numbered(103)))).kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(("known", "code"), [((), "CodeDeLAnnexe"), (("CodeDeLAnnexe",), "DMP_BLOCKED")])
async def test_the_answer_to_a_feed_says_it_too(ward: Ward, known: tuple[str, ...], code: str) -> None:
    ward.sandbox.dmp.put_patient(MATRICULE, DmpState.BLOCKED)
    ward.sandbox.dmp.patients.blocked_code = "CodeDeLAnnexe"
    settings = ward.settings(blocked_codes=known, existence={"enabled": False})
    connector = DmpConnector(settings, surroundings())
    await connector.open()
    outcome = await connector.send(ward.delivery(numbered(104)))
    await connector.close()
    assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, code)
