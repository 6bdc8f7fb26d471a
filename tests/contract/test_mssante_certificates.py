"""Certificates towards the operators, as for the DMP: dates, chain, revocation, renewal while in use; and one account
never speaks for another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.mssante.connector import MssanteConnector
from connectors.mssante.settings import MssanteSettings
from connectors.sandbox.certificates import CertificateFiles, Certificates, Flaw, Usage
from pfi.model.clock import Clock, system_clock
from pfi.model.delivery import Outcome, OutcomeKind
from pfi.model.errors import ConfigurationError
from tests.certificates import certificates_in
from tests.contract.smtp_server import Script, ScriptedServer
from tests.unit.mssante.material import SURROUNDINGS, delivery

ANNEX = "1990000025"


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return certificates_in(tmp_path)


def der(files: CertificateFiles) -> bytes:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_bytes(Encoding.DER)


@asynccontextmanager
async def account(
    made: Certificates,
    server: ScriptedServer,
    *,
    client: CertificateFiles | None = None,
    clock: Clock = system_clock,
    **changes: Any,
) -> AsyncIterator[MssanteConnector]:
    mine = client or made.mssante
    values = {
        "host": "127.0.0.1",
        "port": server.port,
        "ca_bundle": made.ca,
        "client_cert": mine.certificate,
        "client_key": mine.key,
        "mailbox": "pfi.app@ch-exemple.mssante.fr",
        "nil": "9999",
        "source_oid": "1.2.250.1.999.1",
        "timeouts": {"connect": 5, "command": 5, "content": 5},
        **changes,
    }
    connector = MssanteConnector(MssanteSettings.model_validate(values), replace(SURROUNDINGS, clock=clock))
    await connector.open()
    try:
        yield connector
    finally:
        await connector.close()


def served(made: Certificates, files: CertificateFiles | None = None) -> ScriptedServer:
    return ScriptedServer(Script(), made.server_context(files or made.smtp_server))


def stopped(outcome: Outcome, server: ScriptedServer) -> str:
    """The code of an attempt that stopped the destination before a mail began."""
    assert (outcome.kind, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, True)
    assert {each.kind for each in outcome.recipients} == {OutcomeKind.NOT_DELIVERED}
    assert server.said("MAIL") == []
    return outcome.code


async def faults(connector: MssanteConnector) -> dict[str, str]:
    return {state.slot: state.fault for state in await connector.certificates() if state.fault}


# --- the operator's certificate ---


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.NOT_YET_VALID, Flaw.OTHER_AUTHORITY, Flaw.WRONG_USAGE])
async def test_an_operator_with_a_bad_certificate_is_given_nothing(flaw: Flaw, made: Certificates) -> None:
    async with served(made, made.flawed(flaw, Usage.SERVER)) as server, account(made, server) as connector:
        assert stopped(await connector.send(delivery()), server) == "101"


@pytest.mark.parametrize("form", ["pem", "der"])
async def test_an_operator_whose_certificate_was_revoked_is_given_nothing(form: str, made: Certificates) -> None:
    async with served(made) as server:
        made.revoke(made.smtp_server)
        if form == "der":
            made.crl.write_bytes(x509.load_pem_x509_crl(made.crl.read_bytes()).public_bytes(Encoding.DER))
        async with account(made, server, crl=str(made.crl)) as connector:
            assert stopped(await connector.send(delivery()), server) == "101"


async def test_a_list_published_while_in_use_serves_without_restart(made: Certificates) -> None:
    async with served(made) as server, account(made, server, crl=[str(made.crl)], keep_seconds=0) as connector:
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        server.commands.clear()
        made.revoke(made.smtp_server)
        assert await faults(connector) == {}
        assert stopped(await connector.send(delivery()), server) == "101"


async def test_a_list_out_of_date_stops_nobody_but_is_told(made: Certificates) -> None:
    """The last list that was good goes on serving (ECO.1.1.7)."""
    later = system_clock() + timedelta(days=400)
    async with served(made) as server, account(made, server, clock=lambda: later, crl=str(made.crl)) as connector:
        assert await faults(connector) == {f"trust/{made.crl}": "CRL_OUT_OF_DATE"}
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED


async def test_a_site_may_require_a_list_that_tells_of_every_certificate(made: Certificates) -> None:
    async with served(made) as server:
        async with account(made, server, crl=str(made.crl), crl_required=True) as connector:
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        with pytest.raises(ConfigurationError, match="révocation"):
            async with account(made, server, crl_required=True):
                pass


# --- our own ---


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        (Flaw.EXPIRED, "CERTIFICATE_EXPIRED"),
        (Flaw.REVOKED, "CERTIFICATE_REVOKED"),
        (Flaw.OTHER_AUTHORITY, "CERTIFICATE_UNTRUSTED"),
    ],
)
async def test_a_bad_certificate_of_ours_is_not_taken_into_use(flaw: Flaw, code: str, made: Certificates) -> None:
    bad = made.flawed(flaw, Usage.AUTH_CLI)
    async with served(made) as server:
        with pytest.raises(ConfigurationError) as refused:
            async with account(made, server, client=bad, crl=str(made.crl), authorities=made.ca):
                pass
    assert refused.value.code == code
    assert server.connections == 0


async def test_a_certificate_revoked_while_it_serves_sends_nothing_more_until_it_is_renewed(made: Certificates) -> None:
    async with served(made) as server, account(made, server, crl=str(made.crl)) as connector:
        made.revoke(made.mssante)
        assert await faults(connector) == {"client": "CERTIFICATE_REVOKED"}
        outcome = await connector.send(delivery())
        assert stopped(outcome, server) == "CERTIFICATE_REVOKED"
        assert not outcome.counts
        made.renew(made.mssante, Usage.AUTH_CLI)
        assert await faults(connector) == {}
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED


async def test_a_certificate_that_ends_while_it_serves_sends_nothing_more(made: Certificates) -> None:
    later = timedelta(0)

    def clock() -> datetime:
        return system_clock() + later

    async with served(made) as server, account(made, server, clock=clock) as connector:
        later = timedelta(days=800)
        outcome = await connector.send(delivery())
        assert stopped(outcome, server) == "CERTIFICATE_EXPIRED"
        assert not outcome.counts


async def test_a_renewed_certificate_is_shown_by_the_next_mail_though_the_connection_was_kept(
    made: Certificates,
) -> None:
    async with served(made) as server, account(made, server, keep_seconds=600) as connector:
        old = der(made.mssante)
        for _ in range(2):
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        made.renew(made.mssante, Usage.AUTH_CLI)
        assert await faults(connector) == {}
        assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert server.certificates == [old, der(made.mssante)]


# --- several accounts ---


async def test_each_establishment_has_its_operator_its_certificate_and_its_mailbox(made: Certificates) -> None:
    theirs = made.entity(ANNEX).auth_cli
    async with (
        served(made) as one,
        served(made) as other,
        account(made, one) as main,
        account(made, other, client=theirs, mailbox="pfi.app@ch-annexe.mssante.fr") as annex,
    ):
        for connector in (main, annex, main):
            assert (await connector.send(delivery())).kind is OutcomeKind.DELIVERED
        assert (one.certificates, other.certificates) == ([der(made.mssante)], [der(theirs)])
        assert {command.split()[1] for command in one.said("MAIL")} == {"FROM:<pfi.app@ch-exemple.mssante.fr>"}
        assert {command.split()[1] for command in other.said("MAIL")} == {"FROM:<pfi.app@ch-annexe.mssante.fr>"}


async def test_a_mailbox_of_another_account_sends_nothing(made: Certificates) -> None:
    async with (
        served(made) as server,
        account(made, server, mailboxes={"labo": "labo@ch-exemple.mssante.fr"}) as connector,
    ):
        outcome = await connector.send(delivery(mailbox="imagerie-annexe"))
        assert (outcome.kind, outcome.code) == (OutcomeKind.REFUSED, "MSS_MAILBOX_UNKNOWN")
        assert server.connections == 0
