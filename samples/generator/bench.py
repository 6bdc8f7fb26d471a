"""Messages of 200 to 330 kB for `pfi bench`: what a laboratory and an imaging department really send."""

from functools import partial

from . import documents, pages
from .catalogue import Sample, biology, from_ris
from .pdf import compile_page
from .request import Request, write_request

_MEASURES = 22
"""Results in each of the three chapters of the biology report."""


def messages() -> tuple[Sample, ...]:
    """The bench messages. They call Typst, unlike the other samples, so only `generate.py --bench` writes them."""
    report = documents.bench_biology(_MEASURES, compile_page(pages.BENCH_BIOLOGY))
    picture = documents.bench_imaging(compile_page(pages.BENCH_IMAGING))
    return (
        _sample("biologie-n3", "CR-BIO, N3 of 66 results with its PDF copy, ORU^R01", biology("BANC-BIO", report)),
        _sample("imagerie-n1", "CR d'imagerie, N1 (PDF with a picture), MDM^T02", from_ris("BANC-IMG", picture)),
    )


def _sample(file: str, shows: str, request: Request) -> Sample:
    return Sample(f"bench/{file}.hl7", shows, "AA", "send", "send", "send", partial(write_request, request))
