"""Applies a compiled Schematron to a document, and the same rules compiled the obvious way, to compare."""

from pathlib import Path
from typing import Any

import saxonche
from lxml import etree

from pfi.standards.cda.pack import ValidationPack
from pfi.standards.cda.schematron import Assertion, Extension, Let, Schematron, Step, read_schematron
from pfi.standards.cda.schematron_xslt import SETS, Compiled, compile_schematron, failures

_XSL = "{http://www.w3.org/1999/XSL/Transform}"
Failure = tuple[str, int, str, str]


class Sheet:
    """A schematron of a pack, ready to be applied; `obvious`: as written by `obvious_stylesheet`."""

    def __init__(self, processor: Any, pack: Path, path: Path, *, obvious: bool = False) -> None:
        schematron = read_schematron(path, pack)
        compiled = compile_schematron(schematron)
        if obvious:
            compiled = obvious_stylesheet(schematron, compiled)
        self.compiled = compiled
        sets = ValidationPack(pack).value_sets.gather(compiled.value_sets, path.parent)
        self._sets = processor.parse_xml(xml_text=sets.document.decode())
        self._executable = processor.new_xslt30_processor().compile_stylesheet(
            stylesheet_text=compiled.stylesheet.decode()
        )
        self._executable.set_parameter(SETS, self._sets)

    def failures(self, document: Any) -> list[Failure]:
        """Pattern, number, test and place of what fails."""
        output = self._executable.transform_to_string(xdm_node=document) or ""
        every = self.compiled.assertions
        return sorted((every[i].pattern, every[i].number, every[i].test, place) for i, place in failures(output))


def processor() -> Any:
    return saxonche.PySaxonProcessor(license=False)


def obvious_stylesheet(schematron: Schematron, compiled: Compiled) -> Compiled:
    """As the reference implementation works: a walk of the whole document for each pattern, the rules as templates of a
    mode, the first one with the highest priority. Only the functions of our stylesheets are borrowed."""
    ours = etree.fromstring(compiled.stylesheet)
    prefixes = {prefix: uri for prefix, uri in ours.nsmap.items() if prefix is not None}
    sheet = etree.Element(ours.tag, nsmap=prefixes)
    sheet.attrib.update(ours.attrib)
    for each in ours:
        if each.tag not in (f"{_XSL}template", f"{_XSL}variable"):
            sheet.append(each)
    numbers: dict[int, int] = {}
    assertions: list[Assertion] = []

    def write(parent: etree._Element, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Let):
                etree.SubElement(parent, f"{_XSL}variable", name=step.name, select=_own_documents(step.value))
            elif isinstance(step, Extension):
                write(parent, schematron.abstract_rules[step.rule])
            else:
                if id(step) not in numbers:
                    numbers[id(step)] = len(assertions)
                    assertions.append(step)
                test = _own_documents(step.test)
                failing = etree.SubElement(parent, f"{_XSL}if", test=f"not({test})" if step.wanted else test)
                etree.SubElement(failing, f"{_XSL}sequence", select=f"pfi:failure(., '{numbers[id(step)]}')")

    for let in schematron.lets:
        etree.SubElement(sheet, f"{_XSL}variable", name=let.name, select=_own_documents(let.value))
    start = etree.SubElement(sheet, f"{_XSL}template", match="/")
    for index, pattern in enumerate(schematron.patterns):
        mode = f"m{index}"
        etree.SubElement(start, f"{_XSL}apply-templates", select=". | //*", mode=mode)
        etree.SubElement(sheet, f"{_XSL}template", match="/ | node()", mode=mode, priority="-1")
        for order, rule in enumerate(pattern.rules):
            template = etree.SubElement(
                sheet, f"{_XSL}template", match=_own_documents(rule.context), mode=mode, priority=str(100_000 - order)
            )
            write(template, rule.steps)
    return Compiled(etree.tostring(sheet), tuple(assertions), compiled.value_sets)


def _own_documents(expression: str) -> str:
    return expression.replace("document(", "doc(").replace("doc(", "pfi:doc(")
