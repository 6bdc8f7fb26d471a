"""A small HTTP endpoint on loopback, by which another process orders faults and looks at what arrived."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from connectors.sandbox.faults import Fault, FaultBook, Service


class ControlServer:
    """`GET /state`; `GET`, `POST` and `DELETE /faults` (`?service=dmp`); `PUT /patients/<matricule>` and
    `PUT /mailboxes/<address>` with `{"state": ...}`; `POST /answers` with `{"recipient": ..., "kind": "mdn_error",
    "code": "902", "message_id": ...}`. JSON throughout; plain HTTP, loopback only.
    """

    def __init__(
        self,
        faults: FaultBook,
        state: Callable[[], dict[str, Any]],
        put_patient: Callable[[str, str], None],
        put_mailbox: Callable[[str, str], None],
        answer: Callable[[str, str, str, str], None],
    ) -> None:
        self.port = 0
        self._faults = faults
        self._state = state
        self._put_patient = put_patient
        self._put_mailbox = put_mailbox
        self._answer = answer
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        application = web.Application(client_max_size=64 * 1024)
        application.router.add_get("/state", self._get_state)
        application.router.add_get("/faults", self._get_faults)
        application.router.add_post("/faults", self._post_fault)
        application.router.add_delete("/faults", self._delete_faults)
        application.router.add_put("/patients/{matricule}", self._put(self._put_patient, "matricule"))
        application.router.add_put("/mailboxes/{address}", self._put(self._put_mailbox, "address"))
        application.router.add_post("/answers", self._post_answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_state(self, request: web.Request) -> web.Response:
        return web.json_response(self._state())

    async def _get_faults(self, request: web.Request) -> web.Response:
        return web.json_response([fault.to_json() for fault in self._faults.pending()])

    async def _post_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault.from_json(await _body(request))
        except ValueError as wrong:
            return _wrong(wrong)
        self._faults.order(fault)
        return web.json_response(fault.to_json(), status=201)

    async def _delete_faults(self, request: web.Request) -> web.Response:
        service = request.query.get("service")
        try:
            self._faults.clear(Service(service) if service else None)
        except ValueError as wrong:
            return _wrong(wrong)
        return web.Response(status=204)

    async def _post_answer(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            self._answer(*(str(body.get(name, "")) for name in ("recipient", "kind", "code", "message_id")))
        except ValueError as wrong:
            return _wrong(wrong)
        return web.Response(status=204)

    def _put(self, setter: Callable[[str, str], None], name: str) -> Any:
        async def handle(request: web.Request) -> web.Response:
            try:
                body = await _body(request)
                setter(request.match_info[name], str(body.get("state", "")))
            except ValueError as wrong:
                return _wrong(wrong)
            return web.Response(status=204)

        return handle


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; raises ValueError."""
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("un objet JSON est attendu")  # noqa: TRY004 - one kind of error for the caller
    return body


def _wrong(error: ValueError) -> web.Response:
    return web.json_response({"error": str(error)}, status=400)
