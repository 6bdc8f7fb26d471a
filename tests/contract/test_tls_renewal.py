"""Certificates renewed while connectors run, and secrets that stay secret."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.mssante.settings import MssanteSettings
from connectors.mssante.tls import ClientTls
from connectors.sandbox.certificates import CertificateFiles, Certificates, Flaw, Usage
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import CertificateHolder, CertificateState, Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import OutcomeKind
from pfi.model.errors import ConfigurationError
from tests.certificates import certificates_in
from tests.contract.dmp_exchanges import CREATED
from tests.contract.dmp_peer import Call, Peer, settled
from tests.contract.test_tls_attacks import files, fresh
from tests.unit.dmp.test_answers import envelope

SECOND = "1750000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a sandbox, named as `Peer` wants its own."""
    made = certificates_in(tmp_path)
    certificates_in(tmp_path / "unused" / "certificates")
    for name, path in (("server.pem", made.dmp_server.certificate), ("server.key", made.dmp_server.key)):
        (tmp_path / name).write_bytes(path.read_bytes())
    return tmp_path


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


class Server:
    """Notes whose certificate each request came with; waits while `gate` is shut."""

    def __init__(self) -> None:
        self.clients: list[int] = []
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, call: Call) -> None:
        der = call.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.clients.append(x509.load_der_x509_certificate(der).serial_number)
        self.entered.set()
        await self.gate.wait()
        await call.answer(envelope(CREATED, call.message_id))


def of(folder: Path, url: str, **changes: Any) -> DmpConnector:
    made = Certificates(folder)
    sandbox = Sandbox(folder / "unused")
    given = {
        **sandbox.configuration()["dmp"],
        "urls": {name: f"{url}/{name}" for name in ("repository", "registry", "patients")},
        "tls": {**files(made.auth_cli), "ca": str(made.ca)},
        "signing": files(made.sign),
        "existence": {"enabled": False},
        **changes,
    }
    return DmpConnector(DmpSettings.model_validate(given), Surroundings(system_clock, IdSource(), "PFI", "1.0"))


async def faults(connector: CertificateHolder) -> dict[str, str]:
    return {state.slot: state.fault for state in await connector.certificates() if state.fault}


async def test_a_renewed_certificate_serves_new_connections_while_the_old_one_ends_its_exchange(folder: Path) -> None:
    made, server = Certificates(folder), Server()
    async with Peer(folder, server) as peer:
        connector = of(folder, peer.url)
        await connector.open()
        old = serial(made.auth_cli.certificate)
        server.gate.clear()
        under_way = asyncio.create_task(connector.send(fresh(Sandbox(folder / "unused"))))
        await server.entered.wait()
        made.renew(made.auth_cli, Usage.AUTH_CLI)
        assert await faults(connector) == {}
        server.gate.set()
        assert (await under_way).kind is OutcomeKind.DELIVERED
        assert (await connector.send(fresh(Sandbox(folder / "unused")))).kind is OutcomeKind.DELIVERED
        assert server.clients == [old, serial(made.auth_cli.certificate)]
        assert old != server.clients[1]
        await connector.close()
    await settled()


async def test_a_renewed_signature_certificate_signs_what_comes_next(folder: Path) -> None:
    made = Certificates(folder)
    connector = of(folder, "https://localhost:1")
    await connector.open()
    document = fresh(Sandbox(folder / "unused"))

    def signer() -> bytes:
        return x509.load_pem_x509_certificate(made.sign.certificate.read_bytes()).public_bytes(
            serialization.Encoding.DER
        )

    before = signer()
    made.renew(made.sign, Usage.SIGN)
    assert base64.b64encode(before) in connector.preview(document).content
    await connector.certificates()
    content = connector.preview(document).content
    assert base64.b64encode(signer()) in content
    assert base64.b64encode(before) not in content
    await connector.close()


BROKEN = {
    "only the certificate": ("pem", "KEY_MISMATCH"),
    "only the key": ("key", "KEY_MISMATCH"),
}


@pytest.mark.parametrize("half", BROKEN)
async def test_half_a_renewal_keeps_the_present_certificate(half: str, folder: Path) -> None:
    made, server = Certificates(folder), Server()
    which, code = BROKEN[half]
    async with Peer(folder, server) as peer:
        connector = of(folder, peer.url)
        await connector.open()
        old = serial(made.auth_cli.certificate)
        present = {path: path.read_bytes() for path in (made.auth_cli.certificate, made.auth_cli.key)}
        made.renew(made.auth_cli, Usage.AUTH_CLI)
        kept = made.auth_cli.key if which == "pem" else made.auth_cli.certificate
        whole = kept.read_bytes()
        kept.write_bytes(present[kept])
        (fault,) = (await faults(connector)).values()
        assert fault == code
        assert (await connector.send(fresh(Sandbox(folder / "unused")))).kind is OutcomeKind.DELIVERED
        assert server.clients == [old]
        kept.write_bytes(whole)
        assert await faults(connector) == {}
        assert (await connector.send(fresh(Sandbox(folder / "unused")))).kind is OutcomeKind.DELIVERED
        assert server.clients[1] == serial(made.auth_cli.certificate) != old
        await connector.close()
    await settled()


WRONG = {
    Flaw.SELF_SIGNED: "CERTIFICATE_WRONG_PURPOSE",
    Flaw.OTHER_AUTHORITY: "CERTIFICATE_UNTRUSTED",
    Flaw.OTHER_ENTITY: "DMP_CERTIFICATES_OF_TWO_ENTITIES",
    Flaw.EXPIRED: "CERTIFICATE_EXPIRED",
    Flaw.NOT_YET_VALID: "CERTIFICATE_NOT_YET_VALID",
    Flaw.REVOKED: "CERTIFICATE_REVOKED",
    Flaw.WRONG_USAGE: "CERTIFICATE_WRONG_PURPOSE",
}


@pytest.mark.parametrize("flaw", WRONG)
async def test_a_bad_renewal_keeps_the_present_certificate(flaw: Flaw, folder: Path) -> None:
    made = Certificates(folder)
    connector = of(folder, "https://localhost:1", certificates={"crl": [str(made.crl)]})
    await connector.open()
    before = {state.slot: state.fingerprint for state in await connector.certificates()}
    bad = made.flawed(flaw, Usage.AUTH_CLI)
    made.auth_cli.certificate.write_bytes(bad.certificate.read_bytes())
    made.auth_cli.key.write_bytes(bad.key.read_bytes())
    states = await connector.certificates()
    assert {state.slot: state.fingerprint for state in states} == before
    assert [state.fault for state in states] == [WRONG[flaw], ""]
    assert all(state.in_use for state in states)
    await connector.close()


async def test_a_certificate_revoked_while_it_serves_sends_nothing_more(folder: Path) -> None:
    made, server = Certificates(folder), Server()
    async with Peer(folder, server) as peer:
        connector = of(folder, peer.url, certificates={"crl": [str(made.crl)]})
        await connector.open()
        made.revoke(made.sign)
        assert list((await faults(connector)).values()) == ["CERTIFICATE_REVOKED"]
        outcome = await connector.send(fresh(Sandbox(folder / "unused")))
        assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "CERTIFICATE_REVOKED")
        assert outcome.stop_destination
        assert server.clients == []
        made.renew(made.sign, Usage.SIGN)
        assert await faults(connector) == {}
        assert (await connector.send(fresh(Sandbox(folder / "unused")))).kind is OutcomeKind.DELIVERED
        await connector.close()
    await settled()


async def test_a_certificate_that_ends_while_it_serves_sends_nothing_more(folder: Path) -> None:
    connector = of(folder, "https://localhost:1")
    later = timedelta(0)
    connector = DmpConnector(
        connector._settings, Surroundings(lambda: system_clock() + later, IdSource(), "PFI", "1.0")
    )
    await connector.open()
    later = timedelta(days=800)
    outcome = await connector.send(fresh(Sandbox(folder / "unused")))
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "CERTIFICATE_EXPIRED")
    await connector.close()


async def test_a_list_that_nobody_signed_does_not_take_the_place_of_a_good_one(folder: Path) -> None:
    made = Certificates(folder)
    made.revoke(made.flawed(Flaw.REVOKED, Usage.SIGN))
    connector = of(folder, "https://localhost:1", certificates={"crl": [str(made.crl)]})
    await connector.open()
    good = made.crl.read_bytes()
    stranger = Certificates(folder / "stranger")
    for content, code in ((stranger.crl.read_bytes(), "CRL_UNTRUSTED"), (b"<html>", "CRL_UNREADABLE")):
        made.crl.write_bytes(content)
        assert await faults(connector) == {f"trust/{made.crl}": code}
    made.crl.write_bytes(good)
    assert await faults(connector) == {}
    await connector.close()


# --- the mailbox ---


async def test_the_client_certificate_of_the_mailbox_is_renewed_too(folder: Path) -> None:
    made = Certificates(folder)
    settings = MssanteSettings.model_validate(
        {
            **Sandbox(folder / "unused").configuration()["mssante"],
            "port": 587,
            "ca_bundle": str(made.ca),
            **mailbox(made.mssante),
        }
    )
    tls = ClientTls(settings)
    tls.open(system_clock())
    first, (before,) = tls.context, tls.states(system_clock())
    key = made.mssante.key.read_bytes()
    made.renew(made.mssante, Usage.AUTH_CLI)
    renewed = made.mssante.key.read_bytes()
    made.mssante.key.write_bytes(key)
    tls.refresh(system_clock())
    assert tls.context is first
    assert tls.states(system_clock())[0].fault == "KEY_MISMATCH"
    made.mssante.key.write_bytes(renewed)
    tls.refresh(system_clock())
    (after,) = tls.states(system_clock())
    assert tls.context is not first
    assert (after.fault, before.fingerprint != after.fingerprint) == ("", True)
    second = tls.context
    made.ca.write_bytes(made.ca.read_bytes() + Certificates(folder / "autre").ca.read_bytes())
    tls.refresh(system_clock())
    assert tls.context is not second
    assert tls.states(system_clock() + timedelta(days=900))[0].fault == "CERTIFICATE_EXPIRED"


def mailbox(pair: CertificateFiles) -> dict[str, str]:
    return {"client_cert": str(pair.certificate), "client_key": str(pair.key)}


# --- secrets ---

PASSWORD, NUMBER = "mot-de-passe-4242", "homologation-4343"


def encrypted(pair: CertificateFiles) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )


async def test_secrets_are_in_no_text_that_leaves_the_connector(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, server = Certificates(folder), Server()
    encrypted(made.sign)
    encrypted(made.auth_cli)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("TEST_PFI_NUMBER", NUMBER)
    told: list[object] = []
    with structlog.testing.capture_logs() as logs:
        async with Peer(folder, server) as peer:
            connector = of(
                folder,
                peer.url,
                tls={**files(made.auth_cli), "ca": str(made.ca), "key_password": PASSWORD},
                signing={**files(made.sign), "key_password": {"file": str(tmp_path / "password")}},
                product={"homologation": {"env": "TEST_PFI_NUMBER"}},
                vihf={"mode": "INDIRECTE_RENFORCEE"},
            )
            await connector.open()
            outcome = await connector.send(fresh(Sandbox(folder / "unused")))
            assert outcome.kind is OutcomeKind.DELIVERED
            assert NUMBER.encode() in peer.calls[-1].body
            told += [connector._settings, connector.__dict__, outcome, await connector.certificates()]
            (tmp_path / "password").write_text(f"faux-{PASSWORD}")
            states: tuple[CertificateState, ...] = await connector.certificates()
            assert "KEY_UNREADABLE" in {state.fault for state in states}
            told += [states, await connector.check()]
            told += [repr(entity.__dict__) for entity in connector._entities.every]
            await connector.close()
        wrong = of(folder, "https://localhost:1", signing={**files(made.sign), "key_password": f"faux-{PASSWORD}"})
        with pytest.raises(ConfigurationError) as raised:
            await wrong.open()
        told += [raised.value, repr(raised.value), raised.value.__cause__]
    assert logs
    whole = "\n".join([*(repr(each) for each in told), *(str(each) for each in told), repr(logs)])
    for secret in (PASSWORD, NUMBER, "PRIVATE KEY"):
        assert secret not in whole
    await settled()
