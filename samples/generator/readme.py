"""`samples/README.md` and `samples/patients.yaml`, written from the catalogue so that they cannot say anything else."""

from collections.abc import Sequence

from . import bundle, catalogue, documents, world
from .catalogue import Sample

_HEAD = """\
<!-- Written by samples/generate.py: change the generator, not this file. -->
# Samples

Synthetic HL7 v2 messages and CDA R2 documents written for this project. Every person, structure and result is invented;
matricules carry the INS OID reserved to tests (`1.2.250.1.213.1.4.10`), so an endpoint must say `ins.environment: test`
to accept them. One file is one message: segments end with CR, UTF-8 unless said otherwise, no MLLP framing.

    python samples/generate.py            # messages and this page, byte for byte the same
    python samples/generate.py --pdf      # the PDF pages too (Typst, PDF/A-1b)
    python samples/generate.py --bench    # the messages of the bench too

The building blocks are in `samples/generator/`: `world.py` (people and places), `pages.py` and `pdf.py` (PDF),
`clinical_document.py`, `bodies.py` and `biology.py` (CDA), `documents.py` (the documents), `request.py` and `adt.py`
(HL7 v2), `bundle.py` (FHIR), `broken.py` (ways to spoil a message), `catalogue.py` (the list). Every CDA is valid
against `CDA_extended.xsd`.

Senders: `DPI|CH-EXEMPLE` (MDM), `SGL|LABO-EXEMPLE` (ORU), `RIS|CH-EXEMPLE` (MDM), `GAM|CH-EXEMPLE` (ADT).
`ACK_RECEPTION` is `Y` everywhere: each sender expects one `ZAM^Z01` and one `ZAM^Z02` per mailbox.

Columns: `ACK` is MSA-1 (with ERR-3 when negative); `DMP`, `PRO` (MSSanté to professionals) and `CIT` (MSSanté to the
citizen) say what the channel does, `-` when nothing is asked of it.
"""

_BENCH = """\
## Bench

`bench/biologie-n3.hl7` (CR-BIO, N3 of 66 results with its PDF copy, ORU^R01) and `bench/imagerie-n1.hl7` (CR
d'imagerie, N1, MDM^T02) weigh 200 to 330 kB, as real traffic does. To send one of them many times, replace at each send
MSH-10 and the document id, which stands in the CDA inside the base64 of OBX-5.5 and, for the MDM, in TXA-12:

| File | MSH-10 | Document id |
|---|---|---|
"""


_FHIR = f"""\
The same requests as PDSm / MHD lots (ITI-65), for a listener whose source is `fhir`; built by `bundle.py`. Their source
is `{bundle.SOURCE_ID}`. `ACK` is the HTTP status.
"""


def write() -> str:
    """The page."""
    parts = [
        _HEAD,
        _patients(),
        _section("Documents", catalogue.requests()),
        _section("Identity and record", catalogue.identity_cases()),
        _section("Life of a document", catalogue.life_of_a_document()),
        _section("Visibility", catalogue.visibility_cases()),
        _section("ADT", catalogue.adt_messages()),
        _section("Unusable messages", catalogue.bad_messages()),
        _fhir(),
        _bench(),
    ]
    return "\n".join(parts)


def write_patients() -> str:
    """The patients of the sandbox's DMP (`python -m connectors.sandbox --patients`)."""
    lines = ["# Written by samples/generate.py: change the generator, not this file.", "default: absent", "patients:"]
    lines += [f'  "{person.matricule}": {state}' for person, state in world.DMP_STATES.items()]
    return "\n".join(lines) + "\n"


def _patients() -> str:
    stories = {
        world.DOMINIQUE: "public test identity of the ANS; DMP active",
        world.PAUL: "DMP active",
        world.JEANNE: "DMP active",
        world.NO_DMP: "has no DMP",
        world.CLOSED_DMP: "DMP closed",
        world.OPPOSED: "DMP active, opposed to its feeding (told by ADT)",
        world.PROVISIONAL: "INS not qualified until `adt/a31-identite-validee` comes",
        world.MINOR: "minor who asked for secrecy; DMP active",
    }
    rows = [
        f"| `{person.matricule}` | `{person.ipp}` | {person.family} {person.first_given} | {story} |"
        for person, story in stories.items()
    ]
    return "\n".join(
        [
            "## Patients and mailboxes",
            "",
            "| INS | IPP | Name | Story |",
            "|---|---|---|---|",
            *rows,
            "",
            "The sandbox takes the patients from `samples/patients.yaml` (option `--patients`). Open these mailboxes",
            "(`PUT /mailboxes/<address>` of its control port):",
            "",
            *(f"- `{mailbox}`" for mailbox in world.MAILBOXES),
            "",
            f"The operator must not know `{world.UNKNOWN_DOCTOR.mailbox}` (550): by convention of the",
            "samples, a local part that begins by `inconnu` has no mailbox.",
            "",
        ]
    )


def _section(title: str, samples: Sequence[Sample]) -> str:
    rows = [f"| `{s.file}` | {s.shows} | {s.ack} | {s.dmp} | {s.pro} | {s.cit} |" for s in samples]
    return "\n".join(
        [f"## {title}", "", "| File | What it shows | ACK | DMP | PRO | CIT |", "|---|---|---|---|---|---|", *rows, ""]
    )


def _fhir() -> str:
    title, _, table = _section("FHIR lots", bundle.samples()).partition("\n\n")
    return f"{title}\n\n{_FHIR}\n{table}"


def _bench() -> str:
    ids = (
        ("bench/biologie-n3.hl7", "BANC-BIO", documents.bench_biology(1, b"").document_id),
        ("bench/imagerie-n1.hl7", "BANC-IMG", documents.bench_imaging(b"").document_id),
    )
    return _BENCH + "".join(f"| `{file}` | `{control}` | `{oid}` |\n" for file, control, oid in ids)
