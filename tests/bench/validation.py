"""What the validation of a document costs, once its schematrons are compiled: `python -m tests.bench.validation`.

CPU of this process, for each CR-BIO of the official samples: XML schema, schematron of the volet, common structure and
own checks together; and the two schematrons alone. Needs the official pack and samples (docs/testing.md).
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lxml import etree

from pfi.standards.cda.pack import ValidationPack
from pfi.standards.cda.schematron_run import Schematrons
from pfi.standards.cda.tree import clinical_document, parse_cda
from pfi.standards.cda.validator import DocumentValidator
from pfi.standards.cda.volets import candidates, volet_of

ROUNDS = 15


def ans_folder() -> Path:
    """Where the official pack and samples are."""
    return Path(os.environ.get("PFI_ANS_DIR", "../shared/ans"))


def documents() -> list[Path]:
    """The CR-BIO samples of level 3."""
    return [
        path
        for path in sorted((ans_folder() / "cda").glob("BIO-CR-BIO_*.xml"))
        if volet_of(clinical_document(parse_cda(path.read_bytes()))) is not None
    ]


def median_ms(work: list[float]) -> float:
    return round(statistics.median(work) * 1000, 1)


def main() -> None:
    """Prints one JSON object. Times in milliseconds of CPU."""
    pack = ValidationPack(ans_folder() / "validation-pack")
    paths = documents()
    assert pack.common is not None
    with tempfile.TemporaryDirectory(prefix="pfi-bench-") as cache:
        started = time.process_time()
        DocumentValidator(pack.folder, Path(cache)).warm_up()
        cold = time.process_time() - started
        started = time.process_time()
        validator = DocumentValidator(pack.folder, Path(cache))
        validator.warm_up()
        warm = time.process_time() - started
        schematrons = Schematrons(pack, Path(cache))
        whole: list[float] = []
        schematron: list[float] = []
        for path in paths:
            content = path.read_bytes()
            validator.validate(content)
            document = clinical_document(parse_cda(content))
            volet = volet_of(document)
            assert volet is not None
            sheet = pack.volets[candidates(volet, pack.volets)[0]]
            text = etree.tostring(document, encoding="unicode", with_tail=False)
            of_whole, of_schematron = [], []
            for _ in range(ROUNDS):
                started = time.process_time()
                validator.validate(content)
                of_whole.append(time.process_time() - started)
                started = time.process_time()
                tree = schematrons.read(text)
                schematrons.findings(sheet, tree)
                schematrons.findings(pack.common, tree)
                of_schematron.append(time.process_time() - started)
            whole.append(statistics.median(of_whole))
            schematron.append(statistics.median(of_schematron))
    figures = {
        "documents": len(paths),
        "whole_median_ms": median_ms(whole),
        "whole_worst_ms": round(max(whole) * 1000, 1),
        "type_and_common_median_ms": median_ms(schematron),
        "type_and_common_worst_ms": round(max(schematron) * 1000, 1),
        "start_cold_s": round(cold, 2),
        "start_cached_s": round(warm, 2),
    }
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
