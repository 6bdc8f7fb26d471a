"""Every PDF that the PFI renders is PDF/A-1b, as an independent validator sees it (MSSanté digest §4.6)."""

import base64
import io
import re
from itertools import product
from pathlib import Path
from typing import Final

from PIL import Image, ImageCms

from pfi.standards.pdf.copies import render
from samples import generate
from tests.pdfa.preflight import needs_preflight, violations
from tests.unit.cda.official import DOCUMENTS, needs_documents
from tests.unit.mssante.material import MOMENT, cda, section

pytestmark = needs_preflight

MESSAGES: Final = generate.ROOT / "messages"
COMMITTED: Final = generate.ROOT / "pdf"
KEPT: Final = ("1", "L", "P", "RGB", "RGBA", "I;16")
"""Modes of Pillow that a PNG and a TIFF keep."""
WORDS: Final = "Œdème « < & > \" ' » — 10⁹/L ≥ α … 中 文 😀 \u00a0 fin\\"
LINE: Final = f"<tr>{'<td>PARACÉTAMOL 12,50 mg</td>' * 13}</tr>"


def documents_of_samples() -> dict[str, bytes]:
    """One CDA document of each type and level in the project's own messages, by both."""
    messages = (path.read_bytes() for path in sorted(MESSAGES.glob("*.hl7")))
    coded = (each for message in messages for each in re.findall(rb"\^XML\^Base64\^([A-Za-z0-9+/=]+)", message))
    found = {}
    for content in map(base64.b64decode, coded):
        if kind := re.search(rb'<code code="([^"]+)"', content):
            found[f"{kind[1].decode()} {'N1' if b'nonXMLBody' in content else 'N3'}"] = content
    return found


def difficult_documents() -> dict[str, bytes]:
    """What tempts a typesetter out of PDF/A-1: glyphs that no font has, wide tables, bodies of other kinds."""
    return {
        "words": cda(title=WORDS, family=WORDS.replace("<", ""), body=section(WORDS.replace("<", ""), "")),
        "no section": cda(body=""),
        "wide table": cda(body=section("Tableau", f"<table><thead>{LINE}</thead><tbody>{LINE * 60}</tbody></table>")),
        "long text": cda(pdf=("Une phrase assez longue. " * 3000).encode(), media_type="text/plain"),
        "rtf": cda(pdf=rb"{\rtf1\ansi Conclusion : n\'e9ant \u12354? \bullet\par}", media_type="text/rtf"),
    }


def images() -> dict[str, bytes]:
    """Documents that are images, of every kind that is read, with colour profiles of every quality."""
    kinds = {"PNG": KEPT, "TIFF": KEPT, "JPEG": ("L", "RGB", "CMYK"), "GIF": ("P",), "BMP": ("RGB",)}
    found = {f"{form} {mode}": image(form, mode) for form, modes in kinds.items() for mode in modes}
    monitor = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    second_version = monitor[:8] + b"\x02\x10\x00\x00" + monitor[12:]
    profiles = {
        "fourth version": monitor,
        "second version": second_version,
        "cut short": second_version[:200],
        "head alone": second_version[:128],
        "noise": second_version[:128] + b"\xff" * 400,
        "link": second_version[:12] + b"link" + second_version[16:],
        "CIELAB": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }
    for (name, profile), (form, mode) in product(profiles.items(), (("PNG", "L"), ("PNG", "RGB"), ("JPEG", "RGB"))):
        found[f"{form} {mode} with a profile: {name}"] = image(form, mode, profile)
    return found


def image(form: str, mode: str, profile: bytes | None = None) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (60, 40), 90).save(out, form, **({"icc_profile": profile} if profile else {}))
    return cda(pdf=out.getvalue(), media_type=f"image/{form.lower()}")


def test_each_type_of_our_samples_is_rendered_in_pdf_a_1(tmp_path: Path) -> None:
    rendered = {name: render(content, MOMENT) for name, content in documents_of_samples().items()}
    assert {"11490-0 N3", "11502-2 N1", "11502-2 N3", "55115-0 N1"} <= set(rendered)
    assert violations(rendered, tmp_path) == {}


def test_difficult_documents_are_rendered_in_pdf_a_1(tmp_path: Path) -> None:
    rendered = {name: render(content, MOMENT) for name, content in (difficult_documents() | images()).items()}
    assert violations(rendered, tmp_path) == {}


def test_the_pdf_of_our_samples_are_pdf_a_1(tmp_path: Path) -> None:
    assert violations({path.name: path.read_bytes() for path in COMMITTED.glob("*.pdf")}, tmp_path) == {}


@needs_documents
def test_every_official_document_is_rendered_in_pdf_a_1(tmp_path: Path) -> None:
    rendered = {path.stem: render(path.read_bytes(), MOMENT) for path in DOCUMENTS}
    assert violations(rendered, tmp_path) == {}
