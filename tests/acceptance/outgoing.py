"""What `pfi explain --out` wrote, read back with nothing of the engine: standard library, lxml, python-hl7, xmlsec1."""

import base64
import functools
import json
import re
import tempfile
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import hl7
from click.testing import CliRunner
from lxml import etree

from pfi.cli.main import cli
from tests.acceptance.explaining import SAMPLES
from tests.official import official_messages
from tests.unit.mssante.reader import read_mail

LCM = "{urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0}"
RIM = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
XOP = "{http://www.w3.org/2004/08/xop/include}"
XDS = "{urn:ihe:iti:xds-b:2007}"


@dataclass(frozen=True)
class Outgoing:
    """The files of one run, by name, beside the answer of `--json` and the documents of the message."""

    files: dict[str, bytes]
    explained: dict[str, Any]
    documents: tuple[bytes, ...]

    @property
    def mails(self) -> dict[str, EmailMessage]:
        """Every mail, parsed: a defect is an error."""
        return {name: read_mail(content) for name, content in self.files.items() if name.endswith(".eml")}

    @property
    def zams(self) -> list[Any]:
        """Every business acknowledgment as python-hl7 reads it, in order."""
        names = sorted(name for name in self.files if name.startswith("zam-"))
        return [hl7.parse(self.files[name].decode()) for name in names]


@dataclass(frozen=True)
class HttpRequest:
    """A request as any HTTP and MIME reader takes it apart. `parts` by Content-ID, without the envelope."""

    target: str
    headers: dict[str, str]
    envelope: bytes
    parts: dict[str, bytes]

    @property
    def body(self) -> etree._Element:
        """The element inside soap:Body."""
        body = etree.fromstring(self.envelope).find(f"{SOAP}Body")
        assert body is not None
        (inside,) = list(body)
        return inside

    @property
    def metadata(self) -> etree._Element:
        """lcm:SubmitObjectsRequest, alone in its own document."""
        found = next(self.body.iter(f"{LCM}SubmitObjectsRequest"))
        return etree.fromstring(etree.tostring(found))

    def carried(self, entry_id: str) -> bytes:
        """The bytes that xdsb:Document of this id includes (XOP)."""
        (document,) = [each for each in self.body.iter(f"{XDS}Document") if each.get("id") == entry_id]
        include = document.find(f"{XOP}Include")
        assert include is not None
        return self.parts[(include.get("href") or "").removeprefix("cid:")]


def read_requests(content: bytes) -> list[HttpRequest]:
    """Parses the HTTP/1.1 requests of a file, one after the other: a deletion of two renditions is two."""
    requests = []
    while content:
        head = content.partition(b"\r\n\r\n")[0]
        (length,) = re.findall(rb"(?im)^content-length: *([0-9]+)\r?$", head)
        end = len(head) + 4 + int(length)
        requests.append(read_request(content[:end]))
        content = content[end:].lstrip(b"\r\n")
    return requests


def read_request(content: bytes) -> HttpRequest:
    """Parses an HTTP/1.1 request and its MTOM package."""
    head, _, body = content.partition(b"\r\n\r\n")
    first, _, fields = head.partition(b"\r\n")
    method, target, version = first.decode("ascii").split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    message = BytesParser(policy=policy.HTTP).parsebytes(fields + b"\r\n\r\n" + body)
    headers = {name.lower(): str(value) for name, value in message.items()}
    assert int(headers["content-length"]) == len(body)
    if not message.is_multipart():
        return HttpRequest(target, headers, body, {})
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/xop+xml"
    parts = {}
    for part in message.iter_parts():
        assert not part.defects
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        parts[str(part["Content-ID"]).strip("<>")] = payload
    root = parts.pop(str(message.get_param("start")).strip("<>"))
    return HttpRequest(target, headers, root, parts)


@functools.cache
def outgoing(path: Path, *options: str) -> Outgoing:
    """Explains a message with `--out`, once a process."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["explain", str(path), "--json", "--out", folder, *options]
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        files = {each.name: each.read_bytes() for each in Path(folder).iterdir()}
    return Outgoing(files, json.loads(result.stdout), documents_of(path.read_bytes()))


def outgoing_sample(name: str, *options: str) -> Outgoing:
    """The same for `samples/messages/<name>.hl7`."""
    return outgoing(SAMPLES / "messages" / f"{name}.hl7", *options)


def documents_of(raw: bytes) -> tuple[bytes, ...]:
    """The documents that a message carries in base64, found without any HL7 library."""
    coded = re.findall(rb"\|ED\|[^|]*\|[^|]*\|[^|]*\^XML\^Base64\^([A-Za-z0-9+/=]+)", raw, re.IGNORECASE)
    return tuple(base64.b64decode(each + b"=" * (-len(each) % 4)) for each in coded)


SENT_SAMPLES = (
    "lettre-de-liaison-en-sejour",
    "biologie-hors-sejour",
    "biologie-n1-et-n3",
    "imagerie-hors-sejour",
    "prescription-hors-sejour",
    "lettre-de-consultation-hors-sejour",
    "invisible-au-patient",
    "masque-aux-professionnels",
    "mineur-connexion-secrete",
    "identite-provisoire",
    "lettre-de-liaison-8859-15",
    "remplacement-biologie",
    "suppression-lettre-de-liaison",
)


def sent_messages() -> list[Path]:
    """Samples, and official messages that carry a document the engine can open."""
    samples = [SAMPLES / "messages" / f"{name}.hl7" for name in SENT_SAMPLES]
    official = [path for path in official_messages() if any(b"<" in each for each in documents_of(path.read_bytes()))]
    return samples + official
