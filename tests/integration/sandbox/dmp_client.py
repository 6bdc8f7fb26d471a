"""Posts requests to the sandbox's DMP and reads the answers, for tests."""

import re
from dataclasses import dataclass

import httpx
from lxml import etree

from connectors.sandbox.sandbox import Sandbox
from tests.integration.sandbox.dmp_assertion import Assertion, Signer
from tests.integration.sandbox.dmp_edits import Edit, same
from tests.integration.sandbox.dmp_request import Feed, existence_request, retrieval_request, write_envelope

_NS = {
    "env": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "rs": "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0",
}


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status and the SOAP envelope in it."""

    status: int
    envelope: etree._Element

    @property
    def errors(self) -> dict[str, str]:
        """Codes and contexts of the RegistryError elements."""
        found = self.envelope.iter(f"{{{_NS['rs']}}}RegistryError")
        return {one.get("errorCode", ""): one.get("codeContext", "") for one in found}

    @property
    def success(self) -> bool:
        answer = self.envelope.find("env:Body/*", _NS)
        return answer is not None and answer.get("status", "").endswith(":Success")

    @property
    def fault(self) -> str:
        """Local name of the sub-code of a fault, `Sender` when there is none, empty when it is not a fault."""
        if self.envelope.find("env:Body/env:Fault", _NS) is None:
            return ""
        subcode = self.envelope.findtext("env:Body/env:Fault/env:Code/env:Subcode/env:Value", "Sender", _NS)
        return subcode.rpartition(":")[2]

    @property
    def reason(self) -> str:
        return self.envelope.findtext("env:Body/env:Fault/env:Reason/env:Text", "", _NS)

    @property
    def relates_to(self) -> str:
        return self.envelope.findtext("env:Header/wsa:RelatesTo", "", _NS)


@dataclass(frozen=True)
class DmpClient:
    """A hospital's client; the certificate is that of `http`."""

    http: httpx.AsyncClient
    sandbox: Sandbox
    signer: Signer

    async def feed(self, request: Feed | None = None) -> Reply:
        headers, body = (request or Feed()).write(self.signer)
        return await self.post("repository", headers, body)

    async def exists(self, assertion: Assertion | None = None, *, edit: Edit = same) -> Reply:
        headers, body = existence_request(assertion or Assertion(), self.signer, edit=edit)
        return await self.post("patients", headers, body)

    async def ask_registry(self, body: str, action: str, assertion: Assertion | None = None) -> Reply:
        envelope = write_envelope(body, action, (assertion or Assertion()).write(self.signer))
        return await self.post("registry", {"Content-Type": "application/soap+xml; charset=UTF-8"}, envelope)

    async def retrieve(self, body: str, assertion: Assertion) -> Reply:
        headers, content = retrieval_request(body, assertion, self.signer)
        return await self.post("repository", headers, content)

    async def post(self, service: str, headers: dict[str, str], body: bytes) -> Reply:
        response = await self.http.post(f"{self.sandbox.dmp.url}/{service}", content=body, headers=headers)
        found = re.search(rb"<env:Envelope.*</env:Envelope>", response.content, re.DOTALL)
        assert found is not None, response.content
        return Reply(response.status_code, etree.fromstring(found.group()))
