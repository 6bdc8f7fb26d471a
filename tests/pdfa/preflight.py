"""Runs Preflight (PDF/A-1b, ISO 19005-1) on many files with one start of Java, and reads its verdicts."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from tests.pdfa.bookmarks import sound_destinations

_JAVA: Final = shutil.which("java")
_JARS: Final = Path("/usr/share/java")
_PACKAGES: Final = {
    "preflight.jar": "libpdfbox2-java",
    "pdfbox2.jar": "libpdfbox2-java",
    "xmpbox.jar": "libpdfbox2-java",
    "fontbox2.jar": "libfontbox2-java",
    "commons-logging.jar": "libcommons-logging-java",
    "javax.activation.jar": "libactivation-java",
    "jaxb-api.jar": "libjaxb-api-java",
}
"""Debian package of each archive. Java lost the last two in its version 11; libpdfbox2-java does not ask for them."""
_MAIN: Final = "org.apache.pdfbox.preflight.Validator_A1b"
_QUICK_START: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_TIME_LIMIT: Final = 100
_BOOKMARK: Final = re.compile(r".*can't convert to Destination COSObject\{(\d+), (\d+)\}")


@dataclass(frozen=True, slots=True)
class Violation:
    """`code` is Preflight's: 1 syntax, 2 graphics, 3 fonts, 4 transparency, 5 annotations, 6 actions, 7 metadata."""

    code: str
    details: str


def why_not() -> str:
    """Why Preflight cannot be run here; empty when it can."""
    missing = sorted({package for jar, package in _PACKAGES.items() if not (_JARS / jar).is_file()})
    if _JAVA is None:
        missing.append("default-jre-headless")
    if missing:
        return f"no PDF/A validator (Debian packages {', '.join(missing)} not installed): see docs/testing.md"
    return ""


needs_preflight = pytest.mark.skipif(bool(why_not()), reason=why_not())


def violations(pdfs: Mapping[str, bytes], folder: Path) -> dict[str, tuple[Violation, ...]]:
    """What breaks PDF/A-1b in each PDF that is not valid, by its name; what Preflight itself reads wrong is left out.

    `folder` is an empty one to work in.
    """
    found = {}
    for name, said in findings(pdfs, folder).items():
        sound = sound_destinations(pdfs[name]) if any(map(_destination, said)) else frozenset()
        found[name] = tuple(each for each in said if _destination(each) not in sound)
    return {name: said for name, said in found.items() if said}


def findings(pdfs: Mapping[str, bytes], folder: Path) -> dict[str, tuple[Violation, ...]]:
    """All that Preflight says of each PDF, by its name; nothing of a valid one."""
    files = {f"{number}.pdf": name for number, name in enumerate(pdfs)}
    for file, name in files.items():
        (folder / file).write_bytes(pdfs[name])
    listing = folder / "files.txt"
    listing.write_text("".join(f"{folder / file}\n" for file in files))
    _run("xml", "group", str(listing), folder=folder)
    verdicts = ElementTree.parse(f"{listing}.preflight.xml").getroot().findall("preflight")  # noqa: S314 - we had it written
    said = {files[verdict.attrib["name"]]: _read(verdict) for verdict in verdicts}
    assert said.keys() == pdfs.keys(), "Preflight left files aside"
    return said


def _run(*arguments: str, folder: Path) -> None:
    assert _JAVA is not None
    jars = ":".join(str(_JARS / jar) for jar in _PACKAGES)
    command = [_JAVA, *_QUICK_START, f"-Dpdfbox.fontcache={folder}", "-cp", jars, _MAIN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
    assert done.returncode == 0, done.stderr


def _read(verdict: ElementTree.Element) -> tuple[Violation, ...]:
    errors = verdict.findall("errors/error")
    said = [Violation(error.findtext("code", ""), error.findtext("details", "")) for error in errors]
    if verdict.findtext("isValid") != "true" and not said:
        said.append(Violation("", f"no verdict: {verdict.findtext('exceptionThrown/message', '')}"))
    return tuple(said)


def _destination(violation: Violation) -> tuple[int, int] | None:
    """Number and generation of the object that Preflight refuses as the destination of a bookmark."""
    named = _BOOKMARK.fullmatch(violation.details) if violation.code == "1.2.3" else None
    return (int(named[1]), int(named[2])) if named else None
