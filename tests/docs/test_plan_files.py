"""The examples of docs/plan-files.md do what the page says; the schema takes what Knit takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from knit_server.domain import plans
from knit_server.domain.errors import InvalidInput
from knit_server.wire import planfile, planschema, requests

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plan-files.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLES = [
    (text, dict([following]) if following[0] in ("refused", "warned") else {})
    for (kind, text), following in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    if kind == "yaml"
]
TUTORIAL = sorted((ROOT / "notebooks" / "tutorial" / "plans").glob("*.yaml"))
VALIDATOR = jsonschema.Draft7Validator(json.loads((ROOT / "docs" / "plan.schema.json").read_text()))


def apply(text: str) -> list[str]:
    """Read and check as `knit plan apply` and the server do; return the warnings."""
    spec, warnings = planfile.read(text, "f")
    plans.check(requests.plan_spec(spec))
    return warnings


def complaints(text: str) -> list[str]:
    return [each.message for each in VALIDATOR.iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize(("text", "told"), EXAMPLES)
def test_examples(text: str, told: dict[str, str]) -> None:
    """A plain example is taken without a word; the others are refused, or warned of, with the words below them."""
    if "refused" in told:
        with pytest.raises(InvalidInput) as caught:
            apply(text)
        reason, *advice = told["refused"].splitlines()
        assert caught.value.reason.endswith(reason)
        assert not advice or caught.value.advice == advice[0]
    else:
        assert apply(text) == [f"f:{line}" for line in told.get("warned", "").splitlines()]
        assert complaints(text) == []


def test_examples_are_found() -> None:
    """The page has examples of every kind."""
    assert len(EXAMPLES) > 8
    assert {kind for _, told in EXAMPLES for kind in told} == {"refused", "warned"}


@pytest.mark.parametrize("path", TUTORIAL, ids=lambda path: path.stem)
def test_the_schema_takes_the_tutorial(path: Path) -> None:
    """The seven plan files are valid, although `resouces` in them is unknown, which only `plan apply` tells."""
    assert complaints(path.read_text()) == []
    assert apply(path.read_text())


def test_seven_plans() -> None:
    """All of them are there."""
    assert len(TUTORIAL) == 7


def test_the_schema_is_one() -> None:
    """It is a valid schema, and knows the keys that warnings know."""
    jsonschema.Draft7Validator.check_schema(VALIDATOR.schema)
    assert list(VALIDATOR.schema["properties"]) == planschema.names(planschema.PLAN)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "image: x",
        "image: x\ninputs: []",
        "image: x\ninputs: [{path: /in}]",
        "image: x\ninputs: [{path: /in, tags: []}]",
        "image: x\ninputs: [{path: in, tags: ['a:1']}]",
        "image: x\ninputs: [{path: /in//x, tags: ['a:1']}]",
        "image: x\ninputs: [{path: /in/../x, tags: ['a:1']}]",
        "image: x\ninputs: [{path: /, tags: ['a:1']}]",
        "image: x\ninputs: [{path: /in, tags: ['a']}]",
        "image: x\ninputs: [{path: /in, tags: [{key: a}]}]",
        "image: x\ninputs: [{path: /in, tags: ['knit#transient:failed']}]",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\noutputs: [{path: /out, tags: ['knit#id:1']}]",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nlog: {tags: ['knit#id:1']}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nactive: perhaps",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nargs: python",
        "image: x\ninputs: {a: {path: /in, tags: ['a:1']}}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nretry: {wait: 3s}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nretry: {tries: 0}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nretry: {tries: 2, wait: 30}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nretry: {tries: 2, 'on': [oom]}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\ntimeout: 2 days",
    ],
)
def test_both_refuse(text: str) -> None:
    """What the schema marks is wrong for Knit, too."""
    assert complaints(text)
    with pytest.raises(InvalidInput):
        apply(text)


@pytest.mark.parametrize(
    "text",
    [
        "image: x\ninputs: [{path: /in/, tags: ['a:1', ':', 'knit#id:x', 'knit#timestamp:2026-01-31T00:00:00Z']}]",
        "image: x\ninputs: [{path: /..in/.b, tags: ['a:1']}]\noutputs:\nlog:\nargs: [1, true, x]\nactive: 'No'",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\non_node: {must: ['a=b'], may: }\nresources: {cpu: 0.5}",
        "image: x\ninputs: [{path: /in, tags: ['a:1']}]\nretry: {tries: 3, wait: 1.5h, 'on': [lost]}\ntimeout: 5m",
    ],
)
def test_both_take(text: str) -> None:
    """What Knit takes, the schema does not mark."""
    assert complaints(text) == []
    assert apply(text) == []
