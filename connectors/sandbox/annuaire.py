"""The sandbox's Annuaire Santé: the FHIR API with what the real server refuses (directory digest §2), and the white
list of the trust space (mssante digest §11)."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from aiohttp import web

from connectors.sandbox.annuaire_register import Register, Resource
from connectors.sandbox.certificates import Certificates

BASE: Final = "/fhir/v2"
LIST_PATH: Final = "/listeblanchemssante.xml"
KEY: Final = "cle-du-bac-a-sable"
QUOTA: Final = 17
"""Requests a second, for one application."""
_PAGE: Final = 50
_FHIR: Final = "application/fhir+json"
_MAILBOX: Final = frozenset({"mailbox-mss", "mailbox-mss:exact", "mailbox-mss:contains"})
_ALWAYS: Final = frozenset({"_id", "_count", "_lastUpdated", "_total", "_elements", "active", "identifier"})
_CRITERIA: Final[Mapping[str, frozenset[str]]] = {
    "Practitioner": _ALWAYS | _MAILBOX | {"_revinclude", "family", "given", "name", "identifier-type"},
    "PractitionerRole": _ALWAYS | _MAILBOX | {"_include", "practitioner", "organization", "role"},
    "Organization": _ALWAYS | _MAILBOX | {"_revinclude", "name", "identifier-type", "partof", "type"},
}
"""What each search knows. `mailbox-mss-type`, `_type` and chained criteria are documented, and are not served."""
_LINKS: Final[Mapping[str, tuple[str, str]]] = {
    "PractitionerRole:practitioner": ("practitioner", "Practitioner"),
    "PractitionerRole:organization": ("organization", "Organization"),
}


class _FhirRefusalError(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


@dataclass(slots=True)
class Trouble:
    """What comes instead of the next answers: an HTTP status, with or without Retry-After."""

    status: int
    times: int = 1
    retry_after: str = ""


class AnnuaireServer:
    """Serves the API and the white list on loopback, over TLS. `port` is known after `start`.

    `register` is what is published; `requests` the paths and queries of the API; `trouble` what goes wrong next;
    `white_list` gives the domains at each request, `list_content` replaces the whole file when it is not `None`.
    `page` is the size of a page.
    """

    def __init__(self, certificates: Certificates, white_list: Callable[[], Iterable[str]]) -> None:
        self.register = Register()
        self.requests: list[str] = []
        self.list_requests = 0
        self.trouble: list[Trouble] = []
        self.list_content: bytes | None = None
        self.page = _PAGE
        self.quota = QUOTA
        self.port = 0
        self._certificates = certificates
        self._white_list = white_list
        self._moments: deque[float] = deque()
        self._pages: dict[str, list[Resource]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Base of the API."""
        return f"https://localhost:{self.port}{BASE}"

    @property
    def white_list_url(self) -> str:
        return f"https://localhost:{self.port}{LIST_PATH}"

    async def start(self, port: int = 0) -> None:
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_get(LIST_PATH, self._list)
        application.router.add_route("*", "/{path:.*}", self._api)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = self._certificates.server_context(self._certificates.dmp_server, client_required=False)
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        self.list_requests += 1
        content = self.list_content if self.list_content is not None else write_white_list(self._white_list())
        return web.Response(body=content, content_type="text/xml")

    async def _api(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        try:
            self._admit(request)
            if self.trouble:
                return self._fail()
            return _json(await self._answer(request))
        except _FhirRefusalError as refusal:
            issue = {"severity": "error", "code": refusal.code, "diagnostics": refusal.text}
            outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
            return _json(outcome, refusal.status, {"Retry-After": "1"} if refusal.code == "throttled" else {})

    def _admit(self, request: web.Request) -> None:
        """The gateway: key, then quota."""
        if (given := request.headers.get("ESANTE-API-KEY")) is None:
            raise _FhirRefusalError(401, "login", "No API key")
        if given != KEY:
            raise _FhirRefusalError(403, "forbidden", "Unknown API key")
        now = time.monotonic()
        while self._moments and self._moments[0] <= now - 1:
            self._moments.popleft()
        if len(self._moments) >= self.quota:
            raise _FhirRefusalError(429, "throttled", "Rate limit exceeded")
        self._moments.append(now)

    def _fail(self) -> web.Response:
        trouble = self.trouble[0]
        trouble.times -= 1
        if not trouble.times:
            del self.trouble[0]
        headers = {"Retry-After": trouble.retry_after} if trouble.retry_after else {}
        return web.Response(status=trouble.status, headers=headers)

    async def _answer(self, request: web.Request) -> Resource:
        path = request.path.removeprefix(BASE)
        if path == request.path:
            # The real server answers with version 1 here, of another shape: a client must not get that far.
            raise _FhirRefusalError(410, "not-supported", "Only /fhir/v2 is served")
        query = dict(request.query)
        if request.method == "POST" and path.endswith("/_search"):
            query |= {name: str(value) for name, value in (await request.post()).items()}
            path = path.removesuffix("/_search")
        elif request.method != "GET":
            raise _FhirRefusalError(400, "not-supported", "Read only")
        if path == "/metadata":
            return _capabilities()
        if path == "/_page":
            return self._next(query.get("id", ""))
        kind, _, identity = path.strip("/").partition("/")
        if kind not in _CRITERIA:
            raise _FhirRefusalError(404, "not-found", "Unknown resource type")
        if identity:
            found = [each for each in self.register.resources(kind) if each["id"] == identity]
            if not found:
                raise _FhirRefusalError(404, "not-found", "Unknown resource")
            return found[0]
        return self._search(kind, query, str(request.url))

    def _search(self, kind: str, query: Mapping[str, str], url: str) -> Resource:
        for name in query:
            if name not in _CRITERIA[kind]:
                raise _FhirRefusalError(400, "not-supported", f"Unknown search parameter {name}")
        matched = [each for each in self.register.resources(kind) if _matches(each, query)]
        included = self._linked(kind, matched, query)
        entries = [_entry(self.url, each, "match") for each in matched]
        entries += [_entry(self.url, each, "include") for each in included]
        size = int(query["_count"]) if query.get("_count", "").isdigit() else self.page
        return self._bundle(entries, max(size, 1), url, len(matched))

    def _linked(self, kind: str, matched: list[Resource], query: Mapping[str, str]) -> list[Resource]:
        if wanted := query.get("_revinclude"):
            name, target = _link(wanted)
            references = {f"{target}/{each['id']}" for each in matched if target == kind}
            roles = self.register.resources("PractitionerRole")
            return [each for each in roles if each.get(name, {}).get("reference") in references]
        if wanted := query.get("_include"):
            name, target = _link(wanted)
            references = {each.get(name, {}).get("reference") for each in matched}
            return [each for each in self.register.resources(target) if f"{target}/{each['id']}" in references]
        return []

    def _bundle(self, entries: list[Resource], size: int, url: str, total: int | None) -> Resource:
        links = [{"relation": "self", "url": url}]
        if len(entries) > size:
            page = str(uuid.uuid4())
            self._pages[page] = entries[size:]
            links.append({"relation": "next", "url": f"{self.url}/_page?id={page}"})
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "link": links}
        if total is not None:
            bundle["total"] = total
        if entries:
            bundle["entry"] = entries[:size]
        return bundle

    def _next(self, identity: str) -> Resource:
        if identity not in self._pages:
            raise _FhirRefusalError(410, "expired", "This page is gone")
        return self._bundle(self._pages.pop(identity), self.page, f"{self.url}/_page?id={identity}", None)


def write_white_list(domains: Iterable[str]) -> bytes:
    """The published form of the white list."""
    entries = "".join(f"<Domaine><Nom>{escape(each)}</Nom></Domaine>" for each in sorted(domains))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<ListeBlanche xmlns="https://listeblanche.mssante.fr/schema">{entries}</ListeBlanche>'
    ).encode()


def _matches(resource: Resource, query: Mapping[str, str]) -> bool:
    addresses = [each["value"] for each in resource.get("telecom", []) if each.get("system") == "email"]
    for name, value in query.items():
        if name == "identifier" and not _identified(resource, value):
            return False
        if name == "_id" and resource["id"] != value:
            return False
        if name == "active" and str(resource.get("active")).lower() != value:
            return False
        if name in ("practitioner", "organization"):
            reference = str(resource.get(name, {}).get("reference", ""))
            if value not in (reference, reference.partition("/")[2]):
                return False
        if name in _MAILBOX and not any(_written(name, value, each) for each in addresses):
            return False
    return True


def _written(name: str, value: str, address: str) -> bool:
    if name.endswith(":exact"):
        return address == value
    if name.endswith(":contains"):
        return value.lower() in address.lower()
    return address.lower().startswith(value.lower())


def _identified(resource: Resource, token: str) -> bool:
    system, bar, value = token.rpartition("|")
    return any(
        each.get("value") == value and (not bar or each.get("system") == system) for each in resource["identifier"]
    )


def _link(wanted: str) -> tuple[str, str]:
    if wanted not in _LINKS:
        raise _FhirRefusalError(400, "not-supported", f"Unknown include {wanted}")
    return _LINKS[wanted]


def _entry(base: str, resource: Resource, mode: str) -> Resource:
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "search": {"mode": mode}, "resource": resource}


def _capabilities() -> Resource:
    served = [{"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}]} for kind in sorted(_CRITERIA)]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "implementation": {"description": "Bac à sable"},
        "rest": [{"mode": "server", "resource": served}],
    }


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(content, status=status, headers=headers, content_type=_FHIR)
