"""Compilation of a Schematron into one XSLT 3.0 stylesheet that says which assertions fail, and where.

What costs time in the reference implementation, and is not done here: a walk of the whole document for each pattern,
and reading each value set again at each document. One walk finds every node; contexts that name the whole path from the
root are followed instead of searched; value sets come from one indexed document that stays in memory.

The output of the stylesheet is text: for each failure, the index of the assertion, a tab, its place, a line feed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lxml import etree

from pfi.standards.cda.schematron import Assertion, Extension, Let, Pattern, Rule, Schematron, Step, unusable
from pfi.standards.cda.schematron_context import Context, UnreadableContextError, read_contexts
from pfi.standards.cda.schematron_context import Step as ContextStep

VERSION: Final = 1
"""Of the form of compiled schematrons: part of the key of their cache."""
SETS: Final = "value-sets"
"""Parameter of the stylesheet: the document of the value sets (`pfi.standards.cda.valuesets`)."""

_XSL: Final = "http://www.w3.org/1999/XSL/Transform"
_OWN: Final = "urn:pfi:validation"
_X: Final = f"{{{_XSL}}}"

# How the CI-SIS asks whether a code is in a value set: a walk of the whole set, at each coded element.
_CONCEPT: Final = re.compile(
    r"\bdocument\(\s*(\$[\w.-]+|'[^']*')\s*\)//svs:Concept"
    r"\[\s*@code\s*=\s*(\$[\w.-]+)\s+and\s+@codeSystem\s*=\s*(\$[\w.-]+)\s*\]"
)
_DOCUMENT: Final = re.compile(r"(?<![\w:.-])(?:fn:)?doc(?:ument)?\(")
_SET_NAME: Final = re.compile(r"([^'\"/\\]+\.xml)['\"]", re.IGNORECASE)

_SUPPORT: Final = f"""
<xsl:stylesheet version="3.0" xmlns:xsl="{_XSL}" xmlns:pfi="{_OWN}" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xsl:output method="text"/>
  <xsl:param name="{SETS}" as="document-node()"/>
  <xsl:key name="pfi:set" match="set" use="@name"/>
  <xsl:key name="pfi:concept" match="*:Concept | *:concept"
    use="concat(ancestor::set/@name, '|', @code, '|', @codeSystem)"/>
  <xsl:function name="pfi:file" as="xs:string">
    <xsl:param name="path"/>
    <xsl:sequence select="lower-case(tokenize(string($path), '/')[last()])"/>
  </xsl:function>
  <xsl:function name="pfi:doc" as="element()?">
    <xsl:param name="path"/>
    <xsl:sequence select="key('pfi:set', pfi:file($path), ${SETS})"/>
  </xsl:function>
  <xsl:function name="pfi:concept" as="node()*">
    <xsl:param name="path"/>
    <xsl:param name="code"/>
    <xsl:param name="system"/>
    <xsl:variable name="set" select="pfi:file($path)"/>
    <xsl:variable name="found" select="key('pfi:concept', concat($set, '|', $code, '|', $system), ${SETS})"/>
    <!-- A set that the pack does not have is the pack's fault, not the document's. -->
    <xsl:sequence select="if (exists($found) or exists(key('pfi:set', $set, ${SETS}))) then $found else ${SETS}"/>
  </xsl:function>
  <xsl:function name="pfi:place" as="xs:string">
    <xsl:param name="node" as="node()"/>
    <xsl:sequence select="string-join(
      for $each in $node/ancestor-or-self::*[parent::*] return concat(local-name($each),
        for $before in count($each/preceding-sibling::*[node-name() eq node-name($each)])
        return if ($before) then concat('[', $before + 1, ']') else ''), '/')"/>
  </xsl:function>
  <xsl:function name="pfi:failure" as="xs:string">
    <xsl:param name="node" as="node()"/>
    <xsl:param name="assertion" as="xs:string"/>
    <xsl:sequence select="concat($assertion, '&#9;', pfi:place($node), '&#10;')"/>
  </xsl:function>
</xsl:stylesheet>
"""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A stylesheet (UTF-8), the assertions in the order of their indexes, the file names of the value sets it needs."""

    stylesheet: bytes
    assertions: tuple[Assertion, ...]
    value_sets: tuple[str, ...]


@dataclass(slots=True)
class _Firing:
    """A rule as one of its alternatives: what to test at a node, and the template to call."""

    order: int
    context: Context
    template: str


@dataclass(slots=True)
class _Place:
    """What is to be looked at under one path of names: firings by pattern, and the places below."""

    firings: dict[int, list[_Firing]] = field(default_factory=dict)
    below: dict[str, "_Place"] = field(default_factory=dict)

    def add(self, pattern: int, firing: _Firing) -> None:
        self.firings.setdefault(pattern, []).append(firing)


def compile_schematron(schematron: Schematron) -> Compiled:
    """Writes the stylesheet of a schematron. Raises SchematronUnusableError."""
    return _Compiler(schematron).compile()


class _Compiler:
    def __init__(self, schematron: Schematron) -> None:
        self._schematron = schematron
        self._assertions: list[Assertion] = []
        self._sets: dict[str, None] = {}
        self._root = _Place()
        self._anywhere = _Place()
        # One prefix for each namespace, so that two names of one element meet in one place.
        chosen = {uri: prefix for prefix, uri in reversed(list(schematron.namespaces.items()))}
        self._prefixes = {prefix: chosen[uri] for prefix, uri in schematron.namespaces.items()}

    def compile(self) -> Compiled:
        sheet = self._sheet()
        for let in self._schematron.lets:
            etree.SubElement(sheet, f"{_X}variable", name=let.name, select=self._expression(let.value))
        for name, steps in self._schematron.abstract_rules.items():
            self._template(sheet, f"abstract-{name}", steps)
        for index, pattern in enumerate(self._schematron.patterns):
            self._pattern(sheet, index, pattern)
        self._walk(sheet)
        return Compiled(etree.tostring(sheet, encoding="UTF-8"), tuple(self._assertions), tuple(self._sets))

    def _sheet(self) -> etree._Element:
        support = etree.fromstring(_SUPPORT)
        namespaces = {prefix: uri for prefix, uri in self._schematron.namespaces.items() if prefix not in ("", "xml")}
        # A default namespace of ours would change the meaning of names without prefix in XPath: there is none.
        sheet = etree.Element(support.tag, nsmap={**namespaces, **_own_prefixes(support)})
        sheet.attrib.update(support.attrib)
        prefixes = " ".join(sorted({*namespaces, "pfi", "xs"}))
        sheet.set("exclude-result-prefixes", prefixes)
        sheet.extend(list(support))
        return sheet

    def _expression(self, expression: str) -> str:
        self._sets.update(dict.fromkeys(name.lower() for name in _SET_NAME.findall(expression)))
        return _DOCUMENT.sub("pfi:doc(", _CONCEPT.sub(r"pfi:concept(\1, \2, \3)", expression))

    def _template(self, sheet: etree._Element, name: str, steps: Iterable[Step]) -> None:
        template = etree.SubElement(sheet, f"{_X}template", name=name)
        for step in steps:
            match step:
                case Let():
                    etree.SubElement(template, f"{_X}variable", name=step.name, select=self._expression(step.value))
                case Extension():
                    etree.SubElement(template, f"{_X}call-template", name=f"abstract-{step.rule}")
                case Assertion():
                    self._assertion(template, step)

    def _assertion(self, template: etree._Element, step: Assertion) -> None:
        test = self._expression(step.test)
        failing = etree.SubElement(template, f"{_X}if", test=f"not({test})" if step.wanted else test)
        index = len(self._assertions)
        self._assertions.append(step)
        etree.SubElement(failing, f"{_X}sequence", select=f"pfi:failure(., '{index}')")

    def _pattern(self, sheet: etree._Element, index: int, pattern: Pattern) -> None:
        alternatives: list[tuple[int, Context, str]] = []
        for order, rule in enumerate(pattern.rules):
            template = f"rule-{index}-{order}"
            self._template(sheet, template, rule.steps)
            alternatives += [(order, context, template) for context in self._contexts(rule)]
        # A node fires one rule of the pattern, the first that matches: all rules must be looked at in the same place.
        rooted = [context.rooted for _order, context, _template in alternatives]
        together = all(path is not None for path in rooted) and not _compete(rooted)
        for (order, context, template), path in zip(alternatives, rooted, strict=True):
            firing = _Firing(order, context, template)
            if path is None or (path and not together):
                name = context.steps[-1].name
                name = "*" if name.endswith("*") else name
                self._anywhere.below.setdefault(name, _Place()).add(index, firing)
                continue
            place = self._root
            for name in path:
                place = place.below.setdefault(name, _Place())
            place.add(index, firing)

    def _contexts(self, rule: Rule) -> tuple[Context, ...]:
        try:
            found = read_contexts(self._expression(rule.context))
        except UnreadableContextError as error:
            raise unusable(self._schematron.path, f"contexte non pris en charge ({error})") from None
        return tuple(replace(each, steps=tuple(self._canonical(step) for step in each.steps)) for each in found)

    def _canonical(self, step: ContextStep) -> ContextStep:
        prefix, colon, name = step.name.rpartition(":")
        return replace(step, name=f"{self._prefixes.get(prefix, prefix)}{colon}{name}")

    def _walk(self, sheet: etree._Element) -> None:
        start = etree.SubElement(sheet, f"{_X}template", match="/")
        self._look(start, self._root)
        if not self._anywhere.below:
            return
        etree.SubElement(start, f"{_X}apply-templates", select="*", mode="pfi:walk")
        anywhere = self._anywhere.below
        for name, place in anywhere.items():
            wider = [each for other, each in anywhere.items() if other != name and _covers(other, name)]
            self._walker(sheet, name, _merged([place, *wider]))
        if "*" not in anywhere:
            self._walker(sheet, "*", _Place())

    def _walker(self, sheet: etree._Element, name: str, place: _Place) -> None:
        priority = "0" if name == "*" else "1" if name.startswith("*:") else "2"
        template = etree.SubElement(sheet, f"{_X}template", match=name, mode="pfi:walk", priority=priority)
        self._fire(template, place)
        etree.SubElement(template, f"{_X}apply-templates", select="*", mode="pfi:walk")

    def _look(self, parent: etree._Element, place: _Place) -> None:
        self._fire(parent, place)
        for name, below in place.below.items():
            self._look(etree.SubElement(parent, f"{_X}for-each", select=name), below)

    def _fire(self, parent: etree._Element, place: _Place) -> None:
        for firings in place.firings.values():
            choose = etree.SubElement(parent, f"{_X}choose")
            for firing in sorted(firings, key=lambda each: each.order):
                when = etree.SubElement(choose, f"{_X}when", test=firing.context.test())
                etree.SubElement(when, f"{_X}call-template", name=firing.template)


def _own_prefixes(element: etree._Element) -> dict[str, str]:
    return {prefix: uri for prefix, uri in element.nsmap.items() if prefix is not None}


def _covers(wide: str, name: str) -> bool:
    """Whether every element that `name` designates is one that `wide` designates: `*`, `*:section`, `cda:section`."""
    return wide == "*" or (wide.startswith("*:") and not name.endswith("*") and wide[2:] == name.rpartition(":")[2])


def _compete(paths: Sequence[tuple[str, ...] | None]) -> bool:
    """Whether two different paths may lead to one node: `a/*` and `a/b`."""
    known = {path for path in paths if path is not None}
    starred = [path for path in known if any("*" in name for name in path)]
    return any(
        path != other
        and len(path) == len(other)
        and all(a == b or "*" in a or "*" in b for a, b in zip(path, other, strict=True))
        for path in starred
        for other in known
    )


def _merged(places: Iterable[_Place]) -> _Place:
    merged = _Place()
    for place in places:
        for pattern, firings in place.firings.items():
            for firing in firings:
                merged.add(pattern, firing)
    return merged


def failures(output: str) -> Iterator[tuple[int, str]]:
    """Index of the assertion and place, for each line that a stylesheet writes."""
    for line in output.splitlines():
        index, _, place = line.partition("\t")
        yield int(index), place
