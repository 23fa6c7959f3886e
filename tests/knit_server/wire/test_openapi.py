"""The description of the API: whole, valid, and as the types say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NotRequired, TypedDict

import jsonschema
import pytest

from knit_server.wire import openapi, shapes
from knit_server.wire.endpoints import ENDPOINTS

DOCUMENT = openapi.document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def members(operation: Any) -> set[str]:
    return {each["name"] for each in operation.get("parameters", []) if each["in"] != "header"}


def test_every_endpoint_is_described() -> None:
    """Each endpoint is one operation, with all its members, and every operation is an endpoint."""
    described = {
        operation["operationId"]: (method.upper(), path, members(operation))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert described == {
        each.name: (each.method, each.path, {*each.members, *(word.rstrip("*") for word in each.query)})
        for each in ENDPOINTS
    }


def test_references_lead_somewhere() -> None:
    """Every reference is to a component; every component is a valid schema and is used."""
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) == known
    for each in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(each)


def test_it_is_json() -> None:
    """It can be written as JSON, and the server is where it is told to be."""
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert openapi.document("/user/x/knit/api")["servers"] == [{"url": "/user/x/knit/api"}]


class Inner(TypedDict):
    """Something within."""

    deep: list[list[int]]


class Outer(TypedDict, total=False):
    """What a type says."""

    text: str | None
    either: list[Inner | str] | None
    itself: dict[str, Outer]
    anything: Any


class Whole(Inner):
    """More of it."""

    maybe: NotRequired[float]


def test_types() -> None:
    """Members, what may be left out, null, alternatives, lists and objects, recursion and inheritance."""
    components: dict[str, Any] = {}
    assert openapi.schema(list[Outer], components) == {"type": "array", "items": {"$ref": "#/components/schemas/Outer"}}
    assert components["Outer"] == {
        "description": "What a type says.",
        "type": "object",
        "properties": {
            "text": {"type": ["string", "null"]},
            "either": {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {"anyOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "string"}]},
                    },
                    {"type": "null"},
                ]
            },
            "itself": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Outer"}},
            "anything": {},
        },
    }
    openapi.schema(Whole, components)
    assert components["Whole"]["required"] == ["deep"]
    assert list(components["Whole"]["properties"]) == ["deep", "maybe"]


def test_odd_members() -> None:
    """Members that Python has no name for are described as well, and no doc of `dict` is taken for ours."""
    components: dict[str, Any] = {}
    openapi.schema(shapes.LineageEdge, components)
    assert components["LineageEdge"]["properties"]["from"] == {"type": ["string", "null"]}
    assert "description" not in components["LineageEdge"]


def test_other_types_are_refused() -> None:
    """A type that JSON cannot be is a mistake of ours, found here."""
    with pytest.raises(TypeError, match="no JSON Schema"):
        openapi.schema(set[str], {})


def test_ranges_are_described() -> None:
    """The header that asks for a part of a file, what comes then, and what a file has besides its bytes."""
    ranged = [
        (operation["operationId"], set(operation["responses"]))
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        if any(each["in"] == "header" for each in operation.get("parameters", []))
    ]
    assert ranged == [("data_files", {"200", "206", "304", "default"})]
    responses = DOCUMENT["paths"]["/data/{knitId}/files"]["get"]["responses"]
    assert set(responses["200"]["headers"]) == {"ETag", "Accept-Ranges"}
    assert set(responses["206"]["headers"]) == {"ETag", "Accept-Ranges", "Content-Range"}
    assert set(responses["206"]["content"]) == {"application/octet-stream"}
