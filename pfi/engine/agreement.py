"""What a message announces against what the documents that it carries say of themselves."""

from collections.abc import Iterator

from pfi.model.document import Document
from pfi.model.finding import Finding, Severity
from pfi.model.profile import SenderProfile
from pfi.model.submission import DocumentRequest, Request


def disagreements(
    request: DocumentRequest, documents: tuple[Document, ...], profile: SenderProfile
) -> Iterator[Finding]:
    """What the message says otherwise than its CDA documents (hl7v2 digest §1.6, §1.7, §1.8, §3.1)."""
    deviation = Severity.ERROR if profile.mode == "strict" else Severity.WARNING
    if request.orders.modif_conf_code and request.request is Request.INITIAL:
        yield Finding(
            "VISIBILITY_CHANGE_WITHOUT_REPLACEMENT",
            deviation,
            "ORC^1^1",
            "Changement de visibilité ou de masquage annoncé (MODIF_CONF_CODE = Y) par une transmission initiale : le "
            "document déjà déposé garde sa visibilité ; un remplacement (OBX-11 = C, nouvel identifiant) est attendu.",
            "hl7v2 digest §3.2",
            err3="207",
            err5="906",
        )
    for index, document in enumerate(documents):
        where = f"OBX^{document.obx_set_id}^5"
        if request.code.code and request.code.code != document.header.code.code:
            yield Finding(
                "TYPE_MISMATCH",
                deviation,
                "OBR^1^4",
                "Le type annoncé par OBR-4 n'est pas celui du document CDA, qui fait foi.",
                "hl7v2 digest §1.6",
                err3="207",
                err5="906",
            )
        if request.request is Request.REPLACE and document.header.replaced is None:
            yield Finding(
                "NOTHING_TO_REPLACE",
                Severity.ERROR,
                where,
                "Remplacement demandé (OBX-11 = C) mais le CDA ne désigne aucun document à remplacer "
                "(relatedDocument RPLC).",
                "hl7v2 digest §3.1",
                err3="207",
                err5="906",
            )
        if index == 0:
            yield from _announced_ids(request, document, deviation)
    levels = [document.header.level for document in documents]
    if len(levels) == 2 and levels[0] == levels[1]:
        yield Finding(
            "SAME_LEVEL_TWICE",
            deviation,
            f"OBX^{documents[1].obx_set_id}^5",
            "Les deux documents du message ont le même niveau CDA ; un N1 et un N3 du même document sont attendus.",
            "hl7v2 digest §1.8",
            err3="198",
        )
    if len({document.unique_id for document in documents}) < len(documents):
        yield Finding(
            "SAME_DOCUMENT_TWICE",
            Severity.ERROR,
            f"OBX^{documents[-1].obx_set_id}^5",
            "Les deux documents du message portent le même identifiant.",
            "hl7v2 digest §1.8",
            err3="207",
            err5="906",
        )


def _announced_ids(request: DocumentRequest, document: Document, deviation: Severity) -> Iterator[Finding]:
    if request.announced_id is not None and not request.announced_id.same_as(document.header.document_id):
        yield Finding(
            "DOCUMENT_ID_MISMATCH",
            deviation,
            "TXA^1^12",
            "TXA-12 n'est pas l'identifiant du document CDA, qui fait foi.",
            "hl7v2 digest §1.7",
            err3="207",
            err5="906",
        )
    if (
        request.request is Request.REPLACE
        and request.announced_parent is not None
        and document.header.replaced is not None
        and not request.announced_parent.same_as(document.header.replaced)
    ):
        yield Finding(
            "PARENT_ID_MISMATCH",
            deviation,
            "TXA^1^13",
            "TXA-13 n'est pas le document que le CDA remplace ; le CDA fait foi.",
            "hl7v2 digest §1.7",
            err3="207",
            err5="906",
        )
