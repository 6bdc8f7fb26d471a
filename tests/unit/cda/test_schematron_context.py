"""Contexts of rules, taken apart."""

import pytest

from pfi.standards.cda.schematron_context import UnreadableContextError, read_contexts


@pytest.mark.parametrize(
    ("pattern", "test"),
    [
        ("cda:id", "self::cda:id"),
        ("cda:author/cda:time", "self::cda:time/parent::cda:author"),
        ("cda:author//cda:time", "self::cda:time/ancestor::cda:author"),
        ("//cda:author[cda:time]/cda:id[@root='a/b']", "self::cda:id[@root='a/b']/parent::cda:author[cda:time]"),
        ("/cda:ClinicalDocument", "self::cda:ClinicalDocument/parent::document-node()"),
        ("*[cda:templateId/@root = '1.2']", "self::*[cda:templateId/@root = '1.2']"),
        ("*:section", "self::*:section"),
        ("./cda:id", "self::cda:id"),
        ("child::cda:id", "self::cda:id"),
        ("cda:id[1]", "self::cda:id[exists(. intersect ../cda:id[1])]"),
        ("cda:id[not(cda:a[1])]", "self::cda:id[not(cda:a[1])]"),
        ("cda:id[position() > 1]/cda:x", "self::cda:x/parent::cda:id[exists(. intersect ../cda:id[position() > 1])]"),
        ("/", "self::document-node()"),
    ],
)
def test_the_test_of_a_node_says_what_the_pattern_designates(pattern: str, test: str) -> None:
    (context,) = read_contexts(pattern)
    assert context.test() == test


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("//hl7:ClinicalDocument[hl7:id]/hl7:author/hl7:id", ("hl7:ClinicalDocument", "hl7:author", "hl7:id")),
        ("cda:ClinicalDocument/*", ("cda:ClinicalDocument", "*")),
        ("cda:ClinicalDocument//cda:id", None),
        ("cda:author/cda:id", None),
        ("/", ()),
    ],
)
def test_a_path_from_the_root_is_recognised(pattern: str, path: tuple[str, ...] | None) -> None:
    (context,) = read_contexts(pattern)
    assert context.rooted == path


def test_alternatives_are_separated_outside_brackets_and_strings() -> None:
    assert [each.test() for each in read_contexts("cda:a[@b='|' or (c|d)] | cda:e")] == [
        "self::cda:a[@b='|' or (c|d)]",
        "self::cda:e",
    ]


@pytest.mark.parametrize("pattern", ["@code", "text()", "key('a','b')", "cda:a/", "cda:a[", "", "cda:a///cda:b"])
def test_another_kind_of_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UnreadableContextError):
        read_contexts(pattern)
