"""Requests to the DMP as bytes: a fresh VIHF, an envelope, and MTOM when documents travel (DMP digest §2.1 to §2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from connectors.dmp.caller import Caller
from connectors.dmp.settings import DmpSettings
from pfi.engine.connector import Surroundings
from pfi.standards.saml.vihf import Mode, Vihf, write_assertion
from pfi.standards.soap.envelope import write_envelope
from pfi.standards.soap.mtom import Part, write_mtom
from pfi.standards.x509.identity import CertifiedKey

_log = structlog.get_logger(room="dmp")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP POST. `message_id` is the WS-Addressing one, that the answer must relate to; `assertion_id` the one of
    its VIHF, to be traced (EX_AIR-070)."""

    url: str
    content_type: str
    message_id: str
    body: bytes = field(repr=False)
    assertion_id: str = ""


class Wire:
    """Writes requests. Every request carries an assertion of its own (traceable by the message id)."""

    def __init__(self, settings: DmpSettings, surroundings: Surroundings, key: CertifiedKey, homologation: str) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._key = key
        self._homologation = homologation

    def plain(
        self, url: str, action: str, caller: Caller, resource_id: str, body: bytes, *, secret: bool = False
    ) -> WireRequest:
        """A request without documents. `resource_id` is the patient's INS; `secret` a « connexion secrète »."""
        message_id, assertion_id, envelope = self._envelope(url, action, caller, resource_id, body, secret=secret)
        content_type = f'application/soap+xml; charset=UTF-8; action="{action}"'
        return WireRequest(url, content_type, message_id, envelope, assertion_id)

    def mtom(
        self,
        url: str,
        action: str,
        caller: Caller,
        resource_id: str,
        body: bytes,
        parts: Sequence[Part],
        *,
        secret: bool = False,
    ) -> WireRequest:
        """A request whose body refers to `parts` by `xop:Include`."""
        message_id, assertion_id, envelope = self._envelope(url, action, caller, resource_id, body, secret=secret)
        boundary = f"MIMEBoundary_{self._surroundings.ids.uuid4().hex}"
        content_type, content = write_mtom(envelope, parts, action=action, boundary=boundary)
        return WireRequest(url, content_type, message_id, content, assertion_id)

    def _envelope(
        self, url: str, action: str, caller: Caller, resource_id: str, body: bytes, *, secret: bool
    ) -> tuple[str, str, bytes]:
        """Message id, id of the assertion, and the envelope that carries both."""
        message_id = self._surroundings.ids.urn()
        vihf = self._vihf(caller, resource_id, secret=secret)
        assertion = write_assertion(vihf, self._key, self._settings.signing.vihf_digest)
        if vihf.mode is Mode.REINFORCED:
            _log.info("vihf_made", assertion=vihf.assertion_id, message=message_id, action=action)  # EX_AIR-070
        envelope = write_envelope(action=action, message_id=message_id, to=url, security=assertion, body=body)
        return message_id, vihf.assertion_id, envelope

    def _vihf(self, caller: Caller, resource_id: str, *, secret: bool) -> Vihf:
        product, switches = self._settings.product, self._settings.vihf
        return Vihf(
            assertion_id=f"_{self._surroundings.ids.uuid4().hex}",
            issued_at=self._surroundings.clock(),
            name_id=caller.name_id,
            subject=caller.subject,
            structure=caller.structure,
            sector=caller.sector,
            resource_id=resource_id,
            roles=caller.roles,
            product_id=product.identifier,
            product_name=product.name or self._surroundings.product_name,
            product_version=product.version or self._surroundings.product_version,
            homologation=self._homologation,
            version=switches.version,
            mode=switches.mode,
            declaration=switches.declaration,
            mode_attribute=switches.mode_attribute,
            authentication_class=switches.authentication_class,
            confidentiality=switches.secret_connection_code if secret else "",
            lifetime=switches.lifetime,
        )
