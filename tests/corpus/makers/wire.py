"""Cases of the bytes: what is not JSON, what only some parsers take, what surrounds it."""

import gzip
import json
from collections.abc import Iterator

from tests.corpus.case import Case, refused, scored
from tests.service.patients import call, patient

_WHOLE = json.dumps(call()).encode()
_TEXT = "request body"
_RFC = "https://www.rfc-editor.org/rfc/rfc8259"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx/1.24.0</body></html>"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _not_json()
    yield from _encodings()
    yield from _numbers()
    yield from _shapes()
    yield from _headers()


def _refused(name: str, why: str, body: bytes, source: str = "") -> Case:
    return refused(name, why, body, 400, where=_TEXT, source=source)


def _not_json() -> Iterator[Case]:
    yield _refused("empty", "A client that lost its body on a redirect.", b"")
    yield _refused("html", "A proxy answers in place of the client.", _HTML)
    yield _refused("form", "curl without -H sends what looks like a form.", b"hook=patient-view")
    yield _refused("cut-off", "A proxy with a limit on the size of a body.", _WHOLE[:-400])
    yield _refused("two-objects", "A client that reuses its buffer.", _WHOLE + _WHOLE)
    yield _refused("not-a-number", "Python's json module writes NaN.", _number(b"NaN"), _RFC)
    yield _refused("infinity", "Python's json module writes Infinity.", _number(b"Infinity"), _RFC)
    yield _refused(
        "trailing-comma", "Hand-made JSON of an interface engine.", _WHOLE[:-1] + b",}", _RFC
    )


def _encodings() -> Iterator[Case]:
    yield _refused(
        "byte-order-mark",
        "A byte order mark must not be added to JSON on a network; .NET's encoder does.",
        b"\xef\xbb\xbf" + _WHOLE,
        _RFC,
    )
    yield _refused(
        "utf-16", "JSON between systems is UTF-8.", _WHOLE.decode().encode("utf-16"), _RFC
    )
    yield refused(
        "windows-1252",
        "An interface engine in the code page of the machine, as its header says.",
        _named(b"M\xfcller-L\xfcdenscheidt"),
        400,
        where=_TEXT,
        headers={"content-type": "application/json; charset=windows-1252"},
    )
    yield _refused("lone-surrogate", "Text cut in the middle of an emoji.", _named(b"\\ud83d"))
    yield scored(
        "names-beyond-latin",
        "Names in other scripts, with a combining accent and an emoji.",
        call(patient=patient(name=[{"text": "王秀英 Nguyễn Thị Ánh 🙂"}])),
    )


def _numbers() -> Iterator[Case]:
    without_value = {"lace": 10}
    yield scored(
        "thirty-digits",
        "A number too long for a 64-bit integer: no haemoglobin, and no crash.",
        _number(b"1" * 30),
        points=without_value,
        noticed=["implausible"],
    )
    yield scored(
        "beyond-doubles",
        "1e999 is JSON and no double: that resource cannot be read, the others can.",
        _number(b"1e999"),
        points=without_value,
        noticed=["malformed_resource"],
        Observation="partial",
    )
    yield scored("exponent", "1.02e1 is 10.2.", _number(b"1.02E+1"))


def _shapes() -> Iterator[Case]:
    yield _refused("array", "A batch of calls; there is no such thing.", b"[" + _WHOLE + b"]")
    yield _refused("null", "A serialiser without an object.", b"null")
    yield _refused("string", "JSON sent as a JSON string.", json.dumps(_WHOLE.decode()).encode())
    yield _refused("deep", "Nesting that exhausts a recursive parser.", b'{"x":' + b"[" * 3000)
    yield scored(
        "duplicate-member",
        "Of a member given twice the last one counts, as in nearly every parser.",
        _WHOLE.replace(b'{"hook":', b'{"hook": "order-sign", "hook":', 1),
        source=_RFC,
    )


def _headers() -> Iterator[Case]:
    yield refused(
        "gzip",
        "Some gateways compress bodies; the specification says nothing of it.",
        gzip.compress(_WHOLE, mtime=0),
        415,
        where=_TEXT,
        headers={"content-encoding": "gzip"},
    )
    for name, why, kind in (
        ("fhir-json", "A FHIR client library sends its own type.", "application/fhir+json"),
        ("form-type", "curl -d without -H.", "application/x-www-form-urlencoded"),
        ("charset", "With the character set that JSON has anyway.", "application/json; charset=utf-8"),
    ):  # fmt: skip
        yield scored(f"content-type-{name}", why, call(), headers={"content-type": kind})


def _number(text: bytes) -> bytes:
    return _WHOLE.replace(b"10.2", text, 1)


def _named(name: bytes) -> bytes:
    return _WHOLE.replace(b'"gender"', b'"name": [{"text": "' + name + b'"}], "gender"', 1)
