"""Small official packages, in the forms in which they are published: codes are invented, or public facts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOS = "https://mos.esante.gouv.fr/NOS"
A05 = f"{NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
LOINC_OID = "2.16.840.1.113883.6.1"
WORDS_OID = "1.2.250.1.213.1.1.4.12"


def svs_set(name: str, concepts: Sequence[tuple[str, str, str]], *, day: str = "20300101120000", **more: str) -> str:
    """A JDV file: code, system, label."""
    rows = "".join(
        f'<Concept code="{code}" codeSystem="{system}" displayName="{label}"/>' for code, system, label in concepts
    )
    attributes = "".join(f' {key}="{value}"' for key, value in more.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008">'
        f'<ValueSet dateMaj="{day}" displayName="{name}.tabs"{attributes}><ConceptList>{rows}</ConceptList></ValueSet>'
        "</RetrieveValueSetResponse>"
    )


def svs_map(name: str, pairs: Sequence[tuple[str, str]], *, day: str = "20300101120000") -> str:
    """An ASS file."""
    rows = "".join(
        f'<MappedConcept><Concept code="{source}"/><Concept code="{target}"/></MappedConcept>'
        for source, target in pairs
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><RetrieveValueSetResponse xmlns="urn:ihe:iti:svs:2008">'
        f'<ValueSet dateMaj="{day}" displayName="{name}.tabs"><MappedConceptList>{rows}</MappedConceptList></ValueSet>'
        "</RetrieveValueSetResponse>"
    )


def fhir_set(name: str, includes: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A ValueSet."""
    return {
        "resourceType": "ValueSet",
        "id": name.replace("_", "-"),
        "url": f"{NOS}/{name}/FHIR/{name.replace('_', '-')}",
        "version": "20300101120000",
        "status": "active",
        "compose": {"include": list(includes)},
        **more,
    }


def concepts(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"code": code, "display": label} for code, label in pairs]


def fhir_map(name: str, pairs: Sequence[tuple[str, str]], **more: Any) -> dict[str, Any]:
    """A ConceptMap."""
    elements = [{"code": source, "target": [{"code": target, "equivalence": "equivalent"}]} for source, target in pairs]
    return {
        "resourceType": "ConceptMap",
        "name": name,
        "date": "2030-01-01T12:00:00+01:00",
        "status": "active",
        "group": [{"element": elements}],
        **more,
    }


def written(folder: Path, **files: str | dict[str, Any]) -> Path:
    """A package folder: `JDV_J04="<xml…"` is an XML file, a dictionary a JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if isinstance(content, str):
            (folder / f"{name}.xml").write_text(content, encoding="utf-8")
        else:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
