"""The one XML parse function: what passes, what is refused, how fast."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from pfi.standards.xml import MAX_DEPTH, MAX_NODES, XmlRefusedError, parse


def refusal(data: bytes) -> str:
    """The code of the refusal."""
    with pytest.raises(XmlRefusedError) as refused:
        parse(data)
    return refused.value.code


def test_a_document_is_read_with_its_text_in_one_piece_in_spite_of_comments() -> None:
    root = parse(b"<?xml version='1.0'?><!-- a --><?pi b?>\n<a>un<!-- deux --> trois</a>")
    assert root.tag == "a"
    assert root.text == "un trois"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<a>é€</a>".encode(), "é€"),
        (b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a>\xc3\xa9</a>", "é"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', "é"),
        (b'<?xml version="1.0" encoding = "iso-8859-15"?><a>\xa4</a>', "€"),
        (b'<?xml version="1.0" encoding="windows-1252"?><a>\x80</a>', "€"),
        (b"<?xml version='1.0'?><a>&#233;&amp;</a>", "é&"),
    ],
)
def test_the_declared_encoding_is_followed(data: bytes, text: str) -> None:
    assert parse(data).text == text


@pytest.mark.parametrize(
    "data",
    [
        "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a+AD4-<a/>",
        b"<?xml version='1.0' encoding='cp037'?><a/>",
        b"<?xml version='1.0' encoding=?><a/>",
    ],
)
def test_an_encoding_that_could_hide_a_doctype_is_refused(data: bytes) -> None:
    assert refusal(data) == "XML_ENCODING_REFUSED"


BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;">]><lolz x="&e;">&e;</lolz>"""


@pytest.mark.parametrize(
    "data",
    [
        BILLION_LAUGHS,
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b"<!-- before --><?pi ?>\n <!DOCTYPE a><a/>",
        b"\xef\xbb\xbf<!DOCTYPE a><a/>",
        b"<!doctype a><a/>",
    ],
)
def test_any_doctype_is_refused_at_once(data: bytes) -> None:
    started = time.perf_counter()
    assert refusal(data) == "XML_DOCTYPE_FORBIDDEN"
    assert time.perf_counter() - started < 0.5


def test_a_doctype_in_a_comment_or_in_text_is_only_text() -> None:
    assert parse(b"<!-- <!DOCTYPE a> --><a><![CDATA[<!DOCTYPE a>]]></a>").text == "<!DOCTYPE a>"


@pytest.mark.parametrize(
    "data",
    [
        b"<a>",
        b"<a/><!DOCTYPE a>",
        b"<a>&unknown;</a>",
        b"    <a/>",
        b" \n\t <?xml version='1.0'?><a/>",
        b"<?xml version='1.0'",
        b"<!-- never closed <a/>",
        b"bonjour",
        b"<a>\xff\xfe</a>",
        b"<a xmlns:x='u' x:b='1' x:b='2'/>",
    ],
)
def test_what_is_not_well_formed_is_refused(data: bytes) -> None:
    assert refusal(data) == "XML_NOT_WELL_FORMED"


def test_the_refusal_gives_the_place_and_never_the_content() -> None:
    with pytest.raises(XmlRefusedError) as refused:
        parse(b"<a>\n<PAT-TROIS>DOMINIQUE</b></a>")
    assert "ligne 2" in refused.value.text
    assert "PAT-TROIS" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"  \n ", b"\xef\xbb\xbf"])
def test_nothing_is_refused_as_empty(data: bytes) -> None:
    assert refusal(data) == "XML_EMPTY"


def test_a_pdf_of_20_megabytes_in_base64_passes() -> None:
    base64_text = b"A" * 28_000_000
    root = parse(b"<a><b>" + base64_text + b"</b></a>")
    assert len(root[0].text or "") == len(base64_text)


def test_more_bytes_than_allowed_are_refused_before_reading() -> None:
    with pytest.raises(XmlRefusedError, match="XML_TOO_LARGE"):
        parse(b"<a>" + b"x" * 100 + b"</a>", max_bytes=100)


@pytest.mark.parametrize("ballast", [0, 12_000_000])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_500, 100_000])
def test_too_deep_a_nesting_is_refused_whatever_the_size(ballast: int, depth: int) -> None:
    data = b"<a>" + b"<d>" * (depth - 1) + b"</d>" * (depth - 1) + b"<b>" + b"A" * ballast + b"</b></a>"
    assert refusal(data) == "XML_TOO_COMPLEX"


@pytest.mark.parametrize("ballast", [0, 12_000_000])
def test_the_deepest_allowed_nesting_passes_whatever_the_size(ballast: int) -> None:
    inner = MAX_DEPTH - 2
    data = b"<a>" + b"<d>" * inner + b"</d>" * inner + b"<b>" + b"A" * ballast + b"</b></a>"
    assert parse(data).tag == "a"


@pytest.mark.parametrize("piece", [b"<a/>", b'x="" '])
def test_more_nodes_than_allowed_are_refused(piece: bytes) -> None:
    assert refusal(b"<r>" + piece * (MAX_NODES + 1) + b"</r>") == "XML_TOO_COMPLEX"


def test_processing_instructions_stay() -> None:
    assert [type(child) for child in parse(b"<a><?x y?><!-- z --></a>")] == [etree._ProcessingInstruction]


def test_two_threads_read_the_same_as_one() -> None:
    documents = [f"<a n='{number}'>{'é' * 2_000}<b>{number}</b></a>".encode() for number in range(200)]
    with ThreadPoolExecutor(2) as threads:
        roots = list(threads.map(parse, documents))
    assert [root.get("n") for root in roots] == [str(number) for number in range(200)]
    assert [root.findtext("b") for root in roots] == [str(number) for number in range(200)]
