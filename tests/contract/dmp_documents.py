"""Official documents made fit for a test DMP, from their bytes: a test INS, and a next version."""

import re
from typing import Final

from lxml import etree

_V3: Final = "{urn:hl7-org:v3}"
_INS: Final = "1.2.250.1.213.1.4."
TEST_NIR: Final = f"{_INS}10"
_NIR: Final = re.compile(rb'root\s*=\s*"1\.2\.250\.1\.213\.1\.4\.(?:8|9|10|11)"')
_PATIENT: Final = re.compile(rb"<((?:\w+:)?)patientRole\b[^>]*>.*?</\1patientRole>", re.DOTALL)


def of_a_test_identity(content: bytes) -> bytes:
    """The same bytes, but for the OID of the patient's INS: the one of test. Without any INS, one is added."""
    found = _PATIENT.search(content)
    assert found is not None, "no patientRole"
    role, prefix = found[0], found[1]
    edited = _NIR.sub(f'root="{TEST_NIR}"'.encode(), role)
    if not _NIR.search(role):
        ins = b'<%sid extension="279035121518989" root="%s"/>' % (prefix, TEST_NIR.encode())
        edited = role.replace(b">", b">" + ins, 1)
    return content if edited == role else content[: found.start()] + edited + content[found.end() :]


def next_version(content: bytes, unique_id: str) -> bytes:
    """The next version of a document: another id, one more in its version, and RPLC to the one it replaces."""
    root = etree.fromstring(content)
    cda = root if root.tag == f"{_V3}ClinicalDocument" else next(root.iter(f"{_V3}ClinicalDocument"))
    own = cda.find(f"{_V3}id")
    assert own is not None
    replaced = own.get("root", "")
    own.set("root", unique_id)
    version = cda.find(f"{_V3}versionNumber")
    if version is not None:
        version.set("value", str(int(version.get("value", "1")) + 1))
    for related in cda.findall(f"{_V3}relatedDocument"):
        cda.remove(related)
    related = etree.Element(f"{_V3}relatedDocument", typeCode="RPLC")
    parent = etree.SubElement(related, f"{_V3}parentDocument")
    etree.SubElement(parent, f"{_V3}id", root=replaced)
    cda.findall(f"{_V3}documentationOf")[-1].addnext(related)
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
