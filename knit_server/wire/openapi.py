"""The HTTP API described in OpenAPI 3.1, from the endpoint table and the types of `wire.shapes`. Nothing else is known.

`schema` turns a type into a JSON Schema: TypedDicts become components, named for the type and described by its
docstring.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from knit_server.wire import shapes
from knit_server.wire.cursors import MAX_PAGE
from knit_server.wire.endpoints import (
    API_VERSION,
    CHECKSUM_TRAILER,
    CONTENT_ID_HEADER,
    ENDPOINTS,
    JSON,
    JWT,
    LOG,
    TAR_GZ,
    Endpoint,
)

Schema = dict[str, Any]

_SIMPLE: Mapping[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_TAG: Schema = {"type": "string", "pattern": "^[^:]*:", "examples": ["project:tutorial"]}
_DEPTH: Schema = {"type": "string", "pattern": "^([0-9]{1,9}|all)$", "default": "0"}
_IDS: Schema = {"type": "array", "items": {"type": "string"}}

QUERY: Mapping[str, tuple[Schema, str]] = {
    "tag": (_TAG, "A tag, as KEY:VALUE; the key ends at the first colon."),
    "in_tag": (_TAG, "A tag that one input asks for, as KEY:VALUE."),
    "out_tag": (_TAG, "A tag that one output or the log gives, as KEY:VALUE."),
    "since": ({"type": "string", "format": "date-time"}, "The beginning of a window of time (RFC 3339)."),
    "duration": ({"type": "string", "examples": ["1h30m"]}, "How long the window is; needs since."),
    "transient": (
        {"type": "boolean"},
        "Only Data that cannot be used (yet), or only those that can.",
    ),
    "order": ({"type": "string", "enum": ["oldest", "newest"], "default": "oldest"}, "Which end of the list is first."),
    "limit": ({"type": "integer", "minimum": 1}, f"Most rows of a page; never more than {MAX_PAGE}."),
    "cursor": ({"type": "string"}, "Where the page begins: taken from the Link of the page before."),
    "active": ({"type": "boolean"}, "Whether the Plans are active."),
    "archived": ({"type": "boolean", "default": False}, "Also the Plans in the archive."),
    "dry_run": ({"type": "boolean", "default": False}, "Change nothing; answer with a DryRun."),
    "image": ({"type": "string"}, "The image of the Plans, as NAME or NAME:TAG."),
    "upstream": (_DEPTH, "How many steps against the arrows: a number, or all."),
    "downstream": (_DEPTH, "How many steps with the arrows: a number, or all."),
    "plan": (_IDS, "Ids of Plans."),
    "knitIdInput": (_IDS, "Ids of Data of which Runs take one."),
    "knitIdOutput": (_IDS, "Ids of Data of which Runs make one, as an output or the log."),
    "status": (_IDS, "Statuses of Runs."),
    "kind": (_IDS, "Any of data, plan, run."),
    "why.plan": ({"type": "string"}, "The id of the Plan with regard to which a Data is explained."),
    "retry_run.downstream": ({"type": "boolean"}, "Delete what was made from the Run first."),
    "delete_run.downstream": ({"type": "boolean"}, "Delete what was made from the Run, too."),
    "id": ({"type": "string"}, "The id of a Data, a Plan or a Run."),
    "prefix": ({"type": "string"}, "What they begin with."),
    "path": ({"type": "string"}, "The name of a file in the Data."),
    "follow": ({"type": "string"}, "If it is there: go on until the Run ends."),
    "name": ({"type": "string"}, "The image, as NAME:TAG."),
    "dockerfile": ({"type": "string", "default": "Dockerfile"}, "The Dockerfile, as a path in the context."),
    "arg": ({"type": "string", "pattern": "^[^=]+="}, "A build argument, as NAME=VALUE."),
}
"""What members of queries are, of all endpoints or of the one named before the point; others are texts."""

PAGE_HEADERS: Schema = {
    "Link": {
        "description": 'With limit or cursor, where the next page is: <URL>; rel="next". Not there on the last page.',
        "schema": {"type": "string"},
    }
}
PULL_HEADERS: Schema = {
    CONTENT_ID_HEADER: {"description": "The name of the tree in the archive.", "schema": {"type": "string"}},
    "Trailer": {
        "description": f"Announces {CHECKSUM_TRAILER}, the MD5 of the body, which comes after it.",
        "schema": {"type": "string"},
    },
}

RANGE: Schema = {
    "name": "Range", "in": "header", "schema": {"type": "string", "examples": ["bytes=0-1023"]},
    "description": "With path, the part of the file that is wanted: bytes=A-B, bytes=A- or bytes=-N, in bytes.",
}  # fmt: skip
FILE_HEADERS: Schema = {
    "ETag": {"description": "With path, names the bytes of the file.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "With path: bytes.", "schema": {"type": "string"}},
}
PART_HEADERS: Schema = FILE_HEADERS | {
    "Content-Range": {"description": "Which part it is, and of how many bytes.", "schema": {"type": "string"}}
}
RANGED = "data_files"
"""The endpoint that answers `Range`."""


def document(server: str = "/knit/api", endpoints: Iterable[Endpoint] = ENDPOINTS) -> Schema:
    """Describe the API that is served below the path `server`."""
    components: Schema = {}
    schema(shapes.ErrorBody, components)
    paths: Schema = {}
    for point in endpoints:
        paths.setdefault(point.path, {})[point.method.lower()] = _operation(point, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Knit",
            "version": API_VERSION,
            "description": "Tagged, immutable Data; Plans that run by themselves; lineage. "
            "Every path is served with and without a trailing slash.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "`token T`, with the token of the profile.",
                }
            },
        },
    }  # fmt: skip


def schema(kind: Any, components: Schema) -> Schema:
    """Return the JSON Schema of a type; TypedDicts are put into `components`. Raises `TypeError` for other types."""
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if kind is Any:
        return {}
    if is_typeddict(kind):
        if kind.__name__ not in components:
            components[kind.__name__] = {}  # it may name itself
            components[kind.__name__] = _object(kind, components)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _either([schema(each, components) for each in arguments])
    if origin is list:
        return {"type": "array", "items": schema(arguments[0], components)}
    if origin is dict and arguments[0] is str:
        values = schema(arguments[1], components)
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if origin is Literal:
        return {"enum": list(arguments)}
    raise TypeError(f"no JSON Schema for {kind!r}")


def _either(schemas: list[Schema]) -> Schema:
    """Join alternatives: `["string", "null"]` where types are all that they say."""
    if all(set(each) == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    return {"anyOf": schemas}


def _object(kind: Any, components: Schema) -> Schema:
    properties: Schema = {}
    required = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        optional = not kind.__total__
        if get_origin(hint) in (NotRequired, Required):
            optional = get_origin(hint) is NotRequired
        bare = get_args(hint)[0] if get_origin(hint) in (NotRequired, Required) else hint
        properties[name] = schema(bare, components)
        if not optional:
            required.append(name)
    written: Schema = {"type": "object", "properties": properties}
    if required:
        written["required"] = required
    told = inspect.cleandoc(kind.__doc__ or "")
    return {"description": told} | written if told and not told.startswith("dict(") else written


def _operation(point: Endpoint, components: Schema) -> Schema:
    operation: Schema = {
        "operationId": point.name,
        "summary": point.summary,
        "tags": [next(part for part in point.path.split("/") if part)],
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in point.members
    ] + [_parameter(point, word) for word in point.query]
    if point.name == RANGED:
        parameters.append(RANGE)
    if parameters:
        operation["parameters"] = parameters
    if point.request:
        operation["requestBody"] = {"required": True, "content": _content(point.request, components)}
    answer: Schema = {"description": "Done."}
    if point.response:
        answer["content"] = _content(point.response, components)
    if "cursor" in point.query:
        answer["headers"] = PAGE_HEADERS
    if point.response == TAR_GZ:
        answer["headers"] = PULL_HEADERS
    more: Schema = {}
    if point.name == RANGED:
        answer["headers"] = FILE_HEADERS
        part = {"description": "A part of the file.", "headers": PART_HEADERS, "content": _content(LOG, components)}
        more = {"206": part, "304": {"description": "If-None-Match names the file as it is."}}
    refusal = {"description": "It was refused, or it failed.", "content": _content("ErrorBody", components)}
    operation["responses"] = {"200" if point.response else "204": answer, **more, "default": refusal}
    return operation


def _parameter(point: Endpoint, word: str) -> Schema:
    """Describe a member of a query; `*` behind its name: it may be given several times, else lists have commas."""
    name = word.rstrip("*")
    described, told = QUERY.get(f"{point.name}.{name}") or QUERY.get(name) or ({"type": "string"}, "")
    parameter: Schema = {"name": name, "in": "query"}
    if told:
        parameter["description"] = told
    if word.endswith("*"):
        parameter["schema"] = {"type": "array", "items": described}
        return parameter
    if described.get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter | {"schema": described}


def _content(body: str, components: Schema) -> Schema:
    """Describe a body, which is a shape, a list of shapes or, of a media type alone, a stream."""
    if " or " in body:
        return {media: told for each in body.split(" or ") for media, told in _content(each, components).items()}
    if "/" in body:
        return {body: {"schema": {"type": "string"} if body == JWT or body.startswith("text/") else {}}}
    name = body.strip("[]")
    inner = schema(getattr(shapes, name), components)
    return {JSON: {"schema": {"type": "array", "items": inner} if body.startswith("[") else inner}}
