"""Attacks on both sides of the DMP's mutual TLS and of its signatures, over real sockets: each one is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.dmp.connector import DmpConnector
from connectors.dmp.settings import DmpSettings
from connectors.sandbox.certificates import CertificateFiles, Flaw, Usage
from connectors.sandbox.sandbox import Sandbox
from pfi.engine.connector import Surroundings
from pfi.model.clock import IdSource, system_clock
from pfi.model.delivery import Delivery, DeliveryIds, OutcomeKind
from pfi.model.errors import ConfigurationError
from tests.contract.dmp_peer import settled
from tests.integration.sandbox.conftest import client_context
from tests.unit.dmp.given import SENDER, delivery
from tests.unit.xds.documents import cda, document

IDS = IdSource()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def certificates(directory: Path) -> Sandbox:
    """A sandbox that is not started: its certificates, good and bad."""
    return Sandbox(directory)


def connector_of(sandbox: Sandbox, **changes: Any) -> DmpConnector:
    settings = DmpSettings.model_validate({**sandbox.configuration()["dmp"], **changes})
    return DmpConnector(settings, Surroundings(system_clock, IDS, "PFI", "1.0"))


def fresh(sandbox: Sandbox) -> Delivery:
    """A document that nobody has sent yet."""
    content = cda(document_id=f'<id root="{IDS.oid()}"/>').replace(
        b'<setId root="1.2.250.1.999.1.1.7000"/>', f'<setId root="{IDS.oid()}"/>'.encode()
    )
    structure = sandbox.configuration()["dmp"]["structure"]["identifier"]
    assert SENDER.organization is not None
    return delivery(
        sender=replace(SENDER, organization=replace(SENDER.organization, identifier=structure)),
        ids=DeliveryIds(IDS.oid(), IDS.oid(), "m", "e", "c"),
        created_at=system_clock(),
        documents=(document(content),),
    )


def files(found: CertificateFiles) -> dict[str, str]:
    return {"certificate": str(found.certificate), "key": str(found.key)}


# --- the server is not who it should be: nothing is sent ---

BAD_SERVERS = (
    Flaw.EXPIRED,
    Flaw.NOT_YET_VALID,
    Flaw.REVOKED,
    Flaw.SELF_SIGNED,
    Flaw.OTHER_AUTHORITY,
    Flaw.WRONG_USAGE,
)


@pytest.mark.parametrize("flaw", BAD_SERVERS)
async def test_a_server_with_a_bad_certificate_is_given_nothing(flaw: Flaw, directory: Path) -> None:
    sandbox = Sandbox(directory)
    sandbox.certificates.dmp_server = sandbox.certificates.flawed(flaw, Usage.SERVER)
    async with sandbox:
        connector = connector_of(sandbox, certificates={"crl": [str(sandbox.certificates.crl)]})
        await connector.open()
        outcome = await connector.send(fresh(sandbox))
        await connector.close()
        assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_DELIVERED, "DMP_SERVER_CERTIFICATE")
        assert outcome.stop_destination
        assert sandbox.dmp.calls == []
        await settled()
    await settled()


async def test_a_good_server_of_another_name_is_given_nothing(directory: Path) -> None:
    async with Sandbox(directory) as sandbox:
        urls = {
            name: url.replace("localhost", "127.0.0.2") for name, url in sandbox.configuration()["dmp"]["urls"].items()
        }
        connector = connector_of(sandbox, urls=urls)
        await connector.open()
        outcome = await connector.send(fresh(sandbox))
        await connector.close()
        # The sandbox listens on one address only: whatever answers there is not it.
        assert (outcome.kind, outcome.stop_destination) == (OutcomeKind.NOT_DELIVERED, False)
        assert sandbox.dmp.calls == []


async def test_a_server_of_which_no_list_tells_is_refused_when_lists_are_required(
    directory: Path, tmp_path: Path
) -> None:
    async with Sandbox(directory) as sandbox:
        copy = tmp_path / "crl.pem"
        copy.write_bytes(sandbox.certificates.crl.read_bytes())
        connector = connector_of(sandbox, certificates={"crl": [str(copy)], "crl_required": True})
        await connector.open()
        assert (await connector.send(fresh(sandbox))).kind is OutcomeKind.DELIVERED
        await connector.close()
        without = connector_of(sandbox, certificates={"crl_required": True})
        with pytest.raises(ConfigurationError, match="CERTIFICATE_STANDING_UNKNOWN"):
            await without.open()
        await settled()
    await settled()


# --- our own files are not what they should be: the connector does not start with them ---

OURS = {
    Flaw.EXPIRED: "CERTIFICATE_EXPIRED",
    Flaw.NOT_YET_VALID: "CERTIFICATE_NOT_YET_VALID",
    Flaw.REVOKED: "CERTIFICATE_REVOKED",
    Flaw.SELF_SIGNED: "CERTIFICATE_WRONG_PURPOSE",
    Flaw.OTHER_AUTHORITY: "CERTIFICATE_UNTRUSTED",
    Flaw.WRONG_USAGE: "CERTIFICATE_WRONG_PURPOSE",
    Flaw.OTHER_ENTITY: "DMP_CERTIFICATES_OF_TWO_ENTITIES",
}


@pytest.mark.parametrize("usage", [Usage.AUTH_CLI, Usage.SIGN])
@pytest.mark.parametrize("flaw", OURS)
async def test_a_bad_certificate_of_ours_is_not_used(flaw: Flaw, usage: Usage, certificates: Sandbox) -> None:
    bad = files(certificates.certificates.flawed(flaw, usage))
    given = certificates.configuration()["dmp"]
    block = "tls" if usage is Usage.AUTH_CLI else "signing"
    connector = connector_of(
        certificates,
        **{block: {**given[block], **bad}, "certificates": {"crl": [str(certificates.certificates.crl)]}},
    )
    with pytest.raises(ConfigurationError) as raised:
        await connector.open()
    assert raised.value.code == OURS[flaw]
    await connector.close()


async def test_a_certificate_that_does_not_name_the_configured_entity_is_not_used(certificates: Sandbox) -> None:
    connector = connector_of(certificates, legal_entity="1750000000")
    with pytest.raises(ConfigurationError, match="DMP_CERTIFICATE_OF_ANOTHER_ENTITY"):
        await connector.open()


# --- somebody else knocks at the DMP: the sandbox, judge of what we send, lets nobody in ---


@pytest.mark.parametrize("flaw", [flaw for flaw in Flaw if flaw not in (Flaw.WRONG_USAGE, Flaw.OTHER_ENTITY)])
async def test_the_dmp_does_not_speak_with_a_bad_client(flaw: Flaw, directory: Path) -> None:
    sandbox = Sandbox(directory)
    bad = sandbox.certificates.flawed(flaw, Usage.AUTH_CLI)
    async with sandbox:
        async with httpx.AsyncClient(verify=client_context(sandbox.certificates.ca, bad), trust_env=False) as http:
            with pytest.raises(httpx.TransportError):
                await http.post(f"{sandbox.dmp.url}/patients", content=b"")
        assert sandbox.dmp.calls == []
    await settled()


@dataclass(frozen=True)
class Captured:
    """A feed as the connector wrote it, not sent."""

    headers: dict[str, str]
    body: bytes

    def altered(self, change: Callable[[bytes], bytes]) -> "Captured":
        changed = change(self.body)
        assert changed != self.body
        return replace(self, body=changed)


async def captured(sandbox: Sandbox, **changes: Any) -> Captured:
    connector = connector_of(sandbox, **changes)
    await connector.open()
    head, _, body = connector.preview(fresh(sandbox)).content.partition(b"\r\n\r\n")
    await connector.close()
    content_type = next(line for line in head.decode().split("\r\n") if line.startswith("Content-Type: "))
    return Captured({"Content-Type": content_type.removeprefix("Content-Type: ")}, body)


async def posted(sandbox: Sandbox, request: Captured, client: CertificateFiles | None = None) -> str:
    """The verdict of the sandbox on a request: a sub-code of fault, an error code, an HTTP status or `Success`."""
    context = client_context(sandbox.certificates.ca, client or sandbox.certificates.auth_cli)
    async with httpx.AsyncClient(verify=context, trust_env=False) as http:
        answer = await http.post(f"{sandbox.dmp.url}/repository", content=request.body, headers=request.headers)
    if answer.status_code == 403:
        return "403"
    return sandbox.dmp.calls[-1].verdict


def swapped(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(before, after, 1)


def wrapped(body: bytes) -> bytes:
    """The signed assertion hides inside the signature of a forged one that takes its place."""
    found = re.search(rb"<saml2:Assertion .*?</saml2:Assertion>", body, re.DOTALL)
    assert found is not None
    original = found.group()
    signature = re.search(rb"<ds:Signature .*?</ds:Signature>", original, re.DOTALL)
    assert signature is not None
    forged = original.replace(signature.group(), b"").replace(b'ID="_', b'ID="_forged', 1)
    forged = forged.replace(b"HODA", b"AUTRE")
    holder = signature.group().replace(
        b"</ds:Signature>", b"<ds:Object>" + original.replace(signature.group(), b"") + b"</ds:Object></ds:Signature>"
    )
    return body.replace(original, forged.replace(b"</saml2:Issuer>", b"</saml2:Issuer>" + holder, 1))


def beside(body: bytes) -> bytes:
    """A forged assertion, not signed, stands before the good one."""
    found = re.search(rb"<saml2:Assertion .*?</saml2:Assertion>", body, re.DOTALL)
    assert found is not None
    forged = re.sub(rb"<ds:Signature .*?</ds:Signature>", b"", found.group(), flags=re.DOTALL)
    return body.replace(found.group(), forged + found.group(), 1)


def unsigned(body: bytes) -> bytes:
    return re.sub(rb"<ds:Signature .*?</ds:Signature>", b"", body, count=1, flags=re.DOTALL)


def one_byte_of_the_document(body: bytes) -> bytes:
    """A letter of the title of the CDA; as many bytes as before."""
    return re.sub(rb"(<title>)[A-Za-z]", rb"\1X", body, count=1)


ALTERED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "wrapped signature": (wrapped, "FailedCheck"),
    "assertion beside": (beside, "InvalidSecurity"),
    "unsigned assertion": (unsigned, "FailedCheck"),
    "altered assertion": (swapped(b"HODA Adam", b"HODA Anne"), "FailedCheck"),
    "altered structure": (swapped(b">1990000025<", b">1990000033<"), "FailedCheck"),
    "altered document": (one_byte_of_the_document, "XDSRepositoryMetadataError"),
    "altered lot signature": (swapped(b"<SigningTime>2", b"<SigningTime>1"), "XDSRepositoryMetadataError"),
}


@pytest.mark.parametrize("attack", ALTERED)
async def test_a_request_altered_after_its_signature_is_refused(attack: str, directory: Path) -> None:
    change, verdict = ALTERED[attack]
    async with Sandbox(directory) as sandbox:
        known = len(sandbox.dmp.documents())
        request = await captured(sandbox)
        assert await posted(sandbox, request.altered(change)) == verdict
        assert len(sandbox.dmp.documents()) == known
        # What is not altered is taken: the refusal was for the attack.
        assert await posted(sandbox, await captured(sandbox)) == "Success"
        await settled()
    await settled()


async def test_an_assertion_serves_once(directory: Path) -> None:
    async with Sandbox(directory) as sandbox:
        request = await captured(sandbox)
        assert await posted(sandbox, request) == "Success"
        assert await posted(sandbox, request) == "FailedAuthentication"
        await settled()
    await settled()


async def test_the_certificate_of_another_entity_does_not_carry_our_assertion(directory: Path) -> None:
    sandbox = Sandbox(directory)
    stranger = sandbox.certificates.entity("1750000000")
    async with sandbox:
        request = await captured(sandbox)
        assert await posted(sandbox, request, stranger.auth_cli) == "DMPInvalidCertificate"
        assert await posted(sandbox, request, sandbox.certificates.sign) == "403"
        assert await posted(sandbox, request) == "Success"
        await settled()
    await settled()


async def test_an_entity_does_not_speak_for_the_structure_of_another(directory: Path) -> None:
    sandbox = Sandbox(directory)
    other = sandbox.certificates.entity("1750000000")
    sandbox.dmp.attach("1990000017", "1990000025")
    sandbox.dmp.attach("1750000000", "1750000001")
    given = sandbox.configuration()["dmp"]
    async with sandbox:
        request = await captured(
            sandbox,
            tls={**given["tls"], **files(other.auth_cli)},
            signing={**given["signing"], **files(other.sign)},
        )
        assert await posted(sandbox, request, other.auth_cli) == "InvalidSecurityToken"
        await settled()
    await settled()
