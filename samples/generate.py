"""Writes the committed samples.

python samples/generate.py            messages and README
python samples/generate.py --pdf      the PDF pages first (Typst)
python samples/generate.py --bench    the messages of the bench too (Typst)
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samples.generator.catalogue import Sample

ROOT = Path(__file__).resolve().parent


def compile_pdfs() -> None:
    """Compiles `samples/pdf/*.pdf` with the installed Typst."""
    from samples.generator import pages, pdf

    folder = ROOT / "pdf"
    folder.mkdir(exist_ok=True)
    for page in pages.PAGES:
        (folder / page.file).write_bytes(pdf.compile_page(page))


def files() -> dict[str, bytes]:
    """Every generated file but the PDFs and the bench: path below `samples/` -> bytes."""
    from samples.generator import bundle, catalogue, readme

    written = {sample.file: sample.make() for sample in (*catalogue.all_samples(), *bundle.samples())}
    written["README.md"] = readme.write().encode("utf-8")
    written["patients.yaml"] = readme.write_patients().encode("utf-8")
    return written


def write_samples(samples: "Iterable[Sample]", folder: Path = ROOT) -> list[Path]:
    """Writes samples below a folder; returns their paths."""
    return [_write(folder / sample.file, sample.make()) for sample in samples]


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes the committed samples.")
    parser.add_argument("--pdf", action="store_true", help="compile the PDF pages again first")
    parser.add_argument("--bench", action="store_true", help="write the messages of the bench too")
    options = parser.parse_args(arguments)
    if options.pdf:
        compile_pdfs()
    for name, content in files().items():
        _write(ROOT / name, content)
    if options.bench:
        from samples.generator import bench

        write_samples(bench.messages())
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT.parent))
    raise SystemExit(main())
