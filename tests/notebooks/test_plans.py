"""The plan files stay as they were written, and everything they call for is there."""

from __future__ import annotations

import hashlib
import math
import re
import sys

import demo
import pytest
import yaml

from knit_server.executors.local import recipe

TUTORIAL = demo.HERE
TUTORIAL_PAGE = TUTORIAL.parents[1] / "docs" / "tutorial.md"
CHECKSUMS = {
    "knitenv": "1cc5da73dcb8407f5bcb96f716360672295818e5d68a5b21ad6409d5ea08e3dc",
    "plans/content_collager.plan.yaml": "8492eb985762dd0509291c74ca8d24301517083032b0140d225b33d8f9bc00a5",
    "plans/content_shuffler.plan.yaml": "ce6d9537766df458abf1db1f91c388f1a70908c4d85007c42a80a128576ec62d",
    "plans/gif.plan.yaml": "8a74ec840f2b019136cabace2ea4eef24234254f1cf77adbce64bf3e4ccb02c4",
    "plans/image_extracter.plan.yaml": "8f1549ca0c355d52d71bad287d146ff13caeb2dda77cf9f80c2643759605b036",
    "plans/image_flattener.plan.yaml": "489450d81736d64bda0181e3581c504e3c44f421517bfb7f0a58afa908a351ba",
    "plans/image_tracer.plan.yaml": "c95b709c24ea157fb365d131876a0f6224f8385611253b8e6f3dd533ffb6f134",
    "plans/video_converter.plan.yaml": "81475c9b7f12e3ec1f08f7d259d8f4abffbe3b98d486914520a38e1d4e0d078c",
}
PLANS = sorted((TUTORIAL / "plans").iterdir())


@pytest.mark.parametrize("name", CHECKSUMS)
def test_borrowed_files_are_not_mended(name: str) -> None:
    """The tutorial's files are kept byte for byte, slips included: Knit takes them as they are."""
    assert hashlib.sha256((TUTORIAL / name).read_bytes()).hexdigest() == CHECKSUMS[name]


def test_every_plan_file_is_pinned() -> None:
    """No plan file is there without a checksum."""
    assert {f"plans/{path.name}" for path in PLANS} == CHECKSUMS.keys() - {"knitenv"}


def test_the_demo_applies_every_plan_and_builds_the_images_they_ask_for() -> None:
    """The names in the demo are those of the plan files, in the same order."""
    texts = [(TUTORIAL / "plans" / f"{name}.plan.yaml").read_text() for name in demo.PLANS]
    assert len(demo.PLANS) == len(PLANS)
    assert [yaml.safe_load(text)["image"] for text in texts] == list(demo.IMAGES.values())


@pytest.mark.parametrize("folder", demo.IMAGES)
def test_dockerfiles_put_the_program_where_the_plan_calls_it(folder: str) -> None:
    """What a Plan's arguments run is what the Dockerfile copies, from a file that exists."""
    text = (TUTORIAL / "images" / folder / "Dockerfile").read_text()
    script = f"{folder}.py"
    assert (TUTORIAL / "images" / folder / script).is_file()
    plan = demo.PLANS[list(demo.IMAGES).index(folder)]
    asked = yaml.safe_load((TUTORIAL / "plans" / f"{plan}.plan.yaml").read_text())
    if folder == "image_extracter":
        assert asked["entrypoint"] == ["python", script]
        assert "WORKDIR /work\nCOPY . .\n" in text
    else:
        assert asked["args"][:2] == ["python3", f"/{script}"]
        assert f"COPY {script} /{script}\n" in text


def test_images_share_one_environment() -> None:
    """All `RUN` lines are equal, so that Knit prepares one environment for all images."""
    texts = [path.read_text() for path in (TUTORIAL / "images").glob("*/Dockerfile")]
    lines = {line for text in texts for line in re.findall(r"^RUN .*$", text, re.MULTILINE)}
    assert lines == {"RUN pip install --no-cache-dir opencv-python-headless pillow"}


def test_programs_need_only_what_their_images_install() -> None:
    """Beyond the standard library a program imports only what its Dockerfile installs (numpy comes with OpenCV)."""
    for folder in demo.IMAGES:
        text = (TUTORIAL / "images" / folder / f"{folder}.py").read_text()
        imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
        foreign = imported - sys.stdlib_module_names
        installs = "RUN pip" in (TUTORIAL / "images" / folder / "Dockerfile").read_text()
        assert foreign <= ({"cv2", "numpy", "PIL"} if installs else set()), folder


def runs_and_data(pushes: int) -> tuple[int, int]:
    """How many Runs and Data the Plans make of that many pushes: every combination of fitting Data, once."""
    raw = {"type:raw-dataset", "format:mixed", "name:raw_videos_and_images", "project:pachyderm-beginner-tutorial"}
    data = [raw] * pushes
    runs = pushes
    for name in demo.PLANS:  # their order is one in which no Plan feeds an earlier one
        plan = yaml.safe_load((TUTORIAL / "plans" / f"{name}.plan.yaml").read_text())
        fitting = (sum(set(wanted["tags"]) <= tags for tags in data) for wanted in plan["inputs"])
        new = math.prod(fitting)
        runs += new
        data += [set(tags) for tags in (plan["outputs"][0]["tags"], plan["log"]["tags"]) for _ in range(new)]
    return runs, len(data)


def test_the_counts_of_demo_and_tutorial_follow_from_the_plans() -> None:
    """The figures that are stated are those that the plan files give."""
    text = TUTORIAL_PAGE.read_text()
    assert runs_and_data(1) == (demo.EXPECTED_RUNS, demo.EXPECTED_DATA)
    for column, figures in enumerate(zip(runs_and_data(1), runs_and_data(2), strict=True)):
        assert f"| **all {'Data' if column else 'Runs'}** | **{figures[0]}** | **{figures[1]}** |" in text


def test_the_tutorial_gives_the_demos_commands() -> None:
    """What the demo shows stands in the tutorial, word for word but for the demo's own profile store."""
    lines = set(TUTORIAL_PAGE.read_text().splitlines())
    commands = [f"knit image build -t {name} ./images/{folder}/" for folder, name in demo.IMAGES.items()]
    commands += [f"knit plan apply ./plans/{name}.plan.yaml" for name in demo.PLANS]
    commands += [
        "knit init ../home/handout/knitprofile",
        "knit data push -t format:mixed -t type:raw-dataset -n ./raw_videos_and_images/",
        "knit plan find --image lbliii/content_collager:1.0.64",
        "knit run find -p PLAN_ID",
        "knit data pull -x KNIT_ID ./outputs/content_collager",
        "knit plan graph -n all PLAN_ID > plan-graph.dot",
        "knit plan graph -n all --format svg PLAN_ID > plan-graph.svg",
        "knit data lineage -n all KNIT_ID > lineage-graph.dot",
        "knit data lineage -n all --format svg KNIT_ID > lineage-graph.svg",
    ]
    assert [command for command in commands if f"$ {command}" not in lines] == []


@pytest.mark.parametrize("folder", demo.IMAGES)
def test_dockerfiles_are_understood_without_a_container_engine(folder: str) -> None:
    """Knit's own builder takes each of them; only the borrowed one may ask for another Python than this."""
    read = recipe.read((TUTORIAL / "images" / folder / "Dockerfile").read_text())
    assert read.warnings == [] or folder == "image_extracter"
