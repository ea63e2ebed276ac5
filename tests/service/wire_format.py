"""An answer with every member that CDS Hooks 2.0 knows, and what would break each requirement.

Paths lead into the answer; a number is a position in a list. Keys are the numbers of requirements.
"""

from copy import deepcopy
from typing import Any

Path = tuple[str | int, ...]
Changes = tuple[tuple[Path, Any], ...]
GONE = object()
CARD: Path = ("cards", 0)
SOURCE, REASON = (*CARD, "source"), (*CARD, "overrideReasons", 0)
SUGGESTION, CREATE = (*CARD, "suggestions", 0), (*CARD, "suggestions", 0, "actions", 0)
UPDATE, DELETE = (*CARD, "suggestions", 0, "actions", 1), (*CARD, "suggestions", 0, "actions", 2)
WEB, APP = (*CARD, "links", 0), (*CARD, "links", 1)

_CODE = {"code": "action-completed", "system": "https://example.org/reasons", "display": "Done"}
_DRAFT = {"resourceType": "Task", "status": "draft", "intent": "proposal"}
WHOLE = {
    "cards": [
        {
            "uuid": "0b6b7f6e-1f8b-4d0c-8a77-0c7f3a1f9f10",
            "summary": "One line",
            "detail": "| a | b |\n|---|---|\n| 1 | 2 |",
            "indicator": "warning",
            "source": {
                "label": "Who says it",
                "url": "https://example.org/about",
                "icon": "https://example.org/icon.png",
                "topic": {"code": "topic", "system": "https://example.org/topics", "display": "T"},
            },
            "suggestions": [
                {
                    "label": "Do it",
                    "uuid": "3b0a8f5c-5a51-4c3e-8a0e-0df3b9a4f1aa",
                    "isRecommended": True,
                    "actions": [
                        {"type": "create", "description": "Creates", "resource": _DRAFT},
                        {
                            "type": "update",
                            "description": "Changes",
                            "resource": _DRAFT | {"id": "t1"},
                        },
                        {"type": "delete", "description": "Removes", "resourceId": "Task/t2"},
                    ],
                },
                {"label": "Or this"},
            ],
            "selectionBehavior": "at-most-one",
            "overrideReasons": [_CODE],
            "links": [
                {"label": "Read", "url": "https://example.org/a", "type": "absolute"},
                {
                    "label": "Open",
                    "url": "https://example.org/launch",
                    "type": "smart",
                    "appContext": "opaque",
                },
            ],
            "extension": {"org.example.result": {"points": 10}},
        }
    ],
    "systemActions": [{"type": "create", "description": "Creates", "resource": _DRAFT}],
}


def changed(answer: Any, *changes: tuple[Path, Any]) -> Any:
    """A copy with these members replaced, or left out where the value is GONE."""
    copy = deepcopy(answer)
    for (*way, last), value in changes:
        inner = copy
        for step in way:
            inner = inner[step]
        if value is GONE:
            del inner[last]
        else:
            inner[last] = value
    return copy


def _each(path: Path, *values: Any) -> tuple[Changes, ...]:
    return tuple(((path, value),) for value in values)


BREAKS: dict[str, tuple[Changes, ...]] = {
    "3": (
        *_each((*CARD, "detail"), None, "", " "),
        *_each((*CARD, "links"), []),
        *_each((*CARD, "source"), {}),
        *_each(("systemActions",), None, []),
    ),
    "74": _each(("cards",), GONE, {}, None),
    "75": _each(("systemActions",), {}, "create"),
    "80": _each((*CARD, "uuid"), 7),
    "83": _each((*CARD, "summary"), GONE, 7, "x" * 140),
    "85": _each((*CARD, "detail"), ["line"]),
    "87": _each((*CARD, "indicator"), GONE, 1),
    "88": _each((*CARD, "indicator"), "hard-stop", "Info"),
    "90": _each(SOURCE, GONE, "Who says it"),
    "92": _each((*CARD, "suggestions"), {"label": "Do it"}, ["Do it"]),
    "93": _each((*CARD, "selectionBehavior"), GONE),
    "95": _each((*CARD, "selectionBehavior"), "all", "one"),
    "96": _each((*CARD, "selectionBehavior"), 1, True, ["any"]),
    "98": _each((*CARD, "overrideReasons"), _CODE, ["action-completed"]),
    "100": _each((*REASON, "display"), GONE),
    "103": _each((*CARD, "links"), {"label": "Read"}, ["https://example.org/a"]),
    "105": _each((*SOURCE, "label"), GONE, 7),
    "107": _each((*SOURCE, "url"), "/about", "example.org/about"),
    "111": _each((*SOURCE, "icon"), "icon.png", "data:image/png;base64,AAAA"),
    "115": _each((*SOURCE, "topic"), "topic", [_CODE]),
    "117": _each((*SUGGESTION, "label"), GONE, 7),
    "119": _each((*SUGGESTION, "uuid"), 7),
    "121": _each((*SUGGESTION, "isRecommended"), "true", 1),
    "122": _each((*CARD, "suggestions", 1, "isRecommended"), True),
    "124": _each((*SUGGESTION, "actions"), {"type": "create"}, ["create"]),
    "127": _each((*CREATE, "type"), GONE, "apply", 7),
    "128": _each((*CREATE, "description"), GONE, 7),
    "130": _each((*CREATE, "resource"), "Task/t1", {"status": "draft"}),
    "131": _each((*CREATE, "resource"), GONE),
    "132": (*_each((*UPDATE, "resource"), GONE), *_each((*UPDATE, "resource", "id"), GONE)),
    "133": _each((*DELETE, "resource"), "t2"),
    "134": _each((*DELETE, "resourceId"), GONE),
    "135": _each((*DELETE, "resourceId"), 7),
    "136": _each((*REASON, "display"), "", 7),
    "138": _each((*WEB, "label"), GONE, 7),
    "139": _each((*WEB, "url"), GONE, 7, "/a"),
    "141": _each((*WEB, "type"), GONE, 7),
    "142": _each((*WEB, "type"), "relative", "SMART"),
    "144": _each((*APP, "appContext"), {"patient": "p1"}, 7),
    "146": _each((*APP, "type"), "absolute"),
    "147": _each((*WEB, "appContext"), "opaque"),
    "214": _each((*CARD, "extension"), ["points"], "points"),
    "215": _each((*CARD, "extension"), {"points": 10}),
    "216": _each((*SOURCE, "topic", "code"), GONE, 7),
    "217": _each((*SOURCE, "topic", "system"), GONE, 7),
    "218": _each((*REASON, "code"), GONE, 7),
    "219": _each((*REASON, "display"), GONE, ["Done"]),
}
"""Each of these makes the answer one that the specification does not allow."""

OPTIONAL: dict[str, Changes] = {
    "75": ((("systemActions",), GONE),),
    "81": (((*CARD, "uuid"), GONE),),
    "84": (((*CARD, "detail"), GONE),),
    "94": (((*CARD, "suggestions"), GONE), ((*CARD, "selectionBehavior"), GONE)),
    "99": (((*CARD, "overrideReasons"), GONE),),
    "104": (((*CARD, "links"), GONE),),
    "106": (((*SOURCE, "url"), GONE),),
    "108": (((*SOURCE, "url"), GONE),),
    "113": (((*SOURCE, "icon"), GONE),),
    "116": (((*SOURCE, "topic"), GONE),),
    "118": (((*SUGGESTION, "uuid"), GONE),),
    "120": (((*SUGGESTION, "isRecommended"), GONE),),
    "122": (
        ((*CARD, "selectionBehavior"), "any"),
        ((*CARD, "suggestions", 1, "isRecommended"), True),
    ),
    "123": (((*SUGGESTION, "actions"), GONE),),
    "140": (((*WEB, "url"), "https://example.org/a/b?c=d#e"),),
    "145": (((*APP, "appContext"), GONE),),
    "220": (((*SOURCE, "topic", "display"), GONE),),
}
"""Each of these leaves it allowed."""
