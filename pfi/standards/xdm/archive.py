"""IHE_XDM.ZIP (MSSanté digest §5): README.TXT, INDEX.HTM and one subset with METADATA.XML and the CDA documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from pfi.model.errors import BugError
from pfi.standards.xdm.zip_writer import Member, Packer

FILE_NAME: Final = "IHE_XDM.ZIP"
SUBSET: Final = "IHE_XDM/SUBSET01"
METADATA: Final = f"{SUBSET}/METADATA.XML"
MAX_DOCUMENTS: Final = 9999


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who made the archive, for README.TXT and INDEX.HTM. Empty values are left out."""

    name: str = ""
    organization: str = ""
    organization_id: str = ""
    address: str = ""
    phone: str = ""
    product: str = "PFI"
    version: str = ""
    publisher: str = ""


def member_uri(index: int) -> str:
    """File name of the document number `index` (from 0), relative to METADATA.XML: its XDS URI."""
    if not 0 <= index < MAX_DOCUMENTS:
        raise BugError("XDM_DOCUMENTS", "Une archive IHE_XDM porte de 1 à 9999 documents.")
    return f"DOC{index + 1:04d}.XML"


def build(
    documents: Sequence[bytes], metadata: bytes, *, issuer: Issuer, moment: datetime, packer: Packer | None = None
) -> bytes:
    """The archive, byte for byte the same for the same arguments.

    `documents` go in unchanged, in the order of `member_uri`. `moment` (submissionTime) dates the entries. `packer`
    shares compressed members between archives.
    """
    uris = [member_uri(index) for index in range(len(documents))]
    members = [
        Member("README.TXT", _readme(issuer, uris)),
        Member("INDEX.HTM", _index(issuer, uris)),
        Member(METADATA, metadata),
        *(Member(f"{SUBSET}/{uri}", content) for uri, content in zip(uris, documents, strict=True)),
    ]
    return (packer or Packer(0)).write_zip(members, moment)


def _readme(issuer: Issuer, uris: Sequence[str]) -> bytes:
    """Four blocks: issuer, its application, instructions, tree (MSSanté digest §5)."""
    blocks = (
        (
            "EMETTEUR",
            ("Nom", issuer.name),
            ("Organisation", issuer.organization),
            ("Identifiant", issuer.organization_id),
            ("Adresse", issuer.address),
            ("Téléphone", issuer.phone),
        ),
        (
            "APPLICATION DE L'EMETTEUR",
            ("Nom", issuer.product),
            ("Version", issuer.version),
            ("Éditeur", issuer.publisher),
        ),
    )
    lines: list[str] = []
    for title, *facts in blocks:
        lines += (title, *(f"  {name} : {' '.join(value.split())}" for name, value in facts if value.strip()), "")
    lines += (
        "INSTRUCTIONS",
        "  Ouvrez cette archive avec votre logiciel de santé : il intègre les documents au dossier du patient.",
        "  À défaut, ouvrez le fichier INDEX.HTM avec un navigateur.",
        "",
        "ARBORESCENCE",
        "  README.TXT",
        "  INDEX.HTM",
        "  IHE_XDM",
        "    SUBSET01",
        "      METADATA.XML",
        *(f"      {uri}" for uri in uris),
    )
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def _index(issuer: Issuer, uris: Sequence[str]) -> bytes:
    sender = escape(issuer.organization or issuer.name or issuer.product)
    links = "\n".join(
        f'<li><a href="{SUBSET}/{uri}">Document {number} ({uri})</a></li>' for number, uri in enumerate(uris, 1)
    )
    return (
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
            '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n'
            '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr" lang="fr">\n'
            "<head>\n"
            '<meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />\n'
            f"<title>Documents transmis par {sender}</title>\n"
            "</head>\n"
            "<body>\n"
            f"<h1>Documents transmis par {sender}</h1>\n"
            f"<ul>\n{links}\n</ul>\n"
            '<p><a href="README.TXT">Informations sur cette archive (README.TXT)</a></p>\n'
            "</body>\n"
            "</html>\n"
        )
        .encode("utf-8", "replace")
        .replace(b"\n", b"\r\n")
    )
