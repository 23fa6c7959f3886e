"""Data in a real browser: pushed by the form, looked at in the browser of Data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from lab_page import App, LabPage
from playwright.sync_api import Route, expect

LONG = "a-name-that-is-far-longer-than-a-header-of-tar-can-hold-" + "x" * 80
HOSTILE = "<img src=x onerror=window.hacked=1>.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a person may have: folders, an empty file, long and strange names, more than one block."""
    made = tmp_path / "measurements"
    for name, content in {
        "table.csv": b"day,value\n1,2\n", "sub/deeper/big.bin": os.urandom(3 << 20), "empty": b"",
        f"sub/{LONG}.txt": b"long", "Größe 測定.txt": "ä".encode(), HOSTILE: b"hostile",
    }.items():  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    return made


def open_form(lab: LabPage, case: str, *, app: App = "lab", dark: bool = False) -> None:
    """Open a notebook with a push form that has the tag `case`, ready for files of the computer."""
    name = f"push-{case.replace(':', '-')}.ipynb"
    lab.open("import knit_lab as knit", f"form = knit.push_form(tags=['{case}'])\nform", app=app, dark=dark, name=name)
    lab.page.get_by_role("button", name="From your computer").click()


def choose(lab: LabPage, kind: str, path: Path) -> None:
    """Choose files or a folder, as in the dialog of the system."""
    lab.page.locator(f".knit-uploads input[data-kind={kind}]").set_input_files(path)


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_push_a_folder_of_the_computer(lab: LabPage, case: str, folder: Path, app: App) -> None:
    """A chosen folder becomes a Data by HTTP, byte by byte the same, and its card appears in the form."""
    open_form(lab, case, app=app, dark=app == "notebook")
    posts: list[str] = []
    lab.page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    choose(lab, "folder", folder)
    expect(lab.page.locator(".knit-push-form")).to_contain_text("6 files, 3.0 MiB")
    lab.screenshot(f"push-form-{app}", of=lab.page.locator(".knit-push-form"))
    lab.page.get_by_role("button", name="Push", exact=True).click()
    expect(lab.page.locator(".knit-push-form")).to_contain_text("✔ Pushed.")
    (data,) = lab.jupyter.data(case)
    expect(lab.page.locator(".knit-push-form")).to_contain_text(data["knitId"])
    lab.screenshot(f"push-form-done-{app}", of=lab.page.locator(".knit-push-form"))
    assert any("/user/ann/knit/api/data?" in url for url in posts)
    lab.run_cell(
        "import hashlib\n"
        "print({each['path']: hashlib.sha256(form.data.path(each['path']).read_bytes()).hexdigest()\n"
        "       for each in form.data.files if each['kind'] == 'file'})"
    )
    expected = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip
    assert eval(lab.text(2)) == expected
    assert not lab.page.evaluate("window.hacked")
    assert not lab.errors


def test_push_a_path_of_the_server(lab: LabPage, case: str) -> None:
    """The list of the kernel's files is walked through by keys; what is chosen is pushed, and its Runs appear."""
    folder = lab.jupyter.notebooks / "station" / "2026-11"
    folder.mkdir(parents=True)
    for name in ("monday.csv", "tuesday.csv", "a very long name " * 8, HOSTILE):
        (folder / name).write_text("day,value\n1,2\n")
    (folder.parent / "notes.txt").write_text("notes")
    lab.jupyter.apply(
        f"image: act:1\nargs: ['copy', '/in/raw', '/out/made']\n"
        f"inputs: [{{path: /in/raw, tags: ['{case}']}}]\noutputs: [{{path: /out/made, tags: ['{case}-made']}}]\n"
    )
    lab.open("import knit_lab as knit", f"knit.push_form('station', tags=['{case}'])", name="path.ipynb")
    form = lab.page.locator(".knit-push-form")
    names = form.locator("select")
    names.select_option(label="▸ 2026-11/")
    form.get_by_role("button", name="Open", exact=True).click()
    expect(names.locator("option")).to_have_count(5)
    names.focus()
    lab.page.keyboard.press("End")
    form.get_by_role("button", name="Up", exact=True).click()
    form.get_by_role("button", name="Push", exact=True).click()
    expect(form).to_contain_text("Runs that took it")
    expect(form).to_contain_text("act:1")
    (data,) = lab.jupyter.data(case)
    assert "station" not in data["tags"]
    assert not lab.page.evaluate("window.hacked")
    assert not lab.errors


def test_push_through_the_kernel(lab: LabPage, case: str, folder: Path) -> None:
    """Where the page cannot reach Knit, the files come through the kernel."""
    lab.page.route("**/knit/api/health", lambda route: route.abort())
    open_form(lab, case)
    choose(lab, "files", folder / "table.csv")
    lab.page.get_by_role("button", name="Push", exact=True).click()
    expect(lab.page.locator(".knit-push-form")).to_contain_text("✔ Pushed.")
    (data,) = lab.jupyter.data(case)
    assert lab.jupyter.get(f"/data/{data['knitId']}/files")[0]["path"] == "table.csv"


def test_a_refused_push_and_a_cancelled_one(lab: LabPage, case: str, folder: Path) -> None:
    """What the server refuses is said with its advice; what is called off leaves nothing."""
    open_form(lab, case)
    answers: list[Route] = []
    refusal = '{"reason": "the disk is full", "advice": "Make <b>room</b>."}'
    lab.page.route("**/knit/api/data?*", lambda route: route.fulfill(status=507, body=refusal))
    choose(lab, "files", folder / "table.csv")
    push = lab.page.get_by_role("button", name="Push", exact=True)
    push.click()
    expect(lab.page.get_by_role("alert")).to_contain_text("the disk is full")
    expect(lab.page.get_by_role("alert")).to_contain_text("Make <b>room</b>.")
    lab.screenshot("push-form-refused", of=lab.page.locator(".knit-push-form"))
    lab.page.unroute("**/knit/api/data?*")
    lab.page.route("**/knit/api/data?*", lambda route: answers.append(route))  # never answered
    push.click()
    lab.until("it is sent", lambda: bool(answers))
    lab.page.get_by_role("button", name="Cancel", exact=True).click()
    expect(lab.page.locator(".knit-push-form")).to_contain_text("Called off")
    expect(push).to_be_enabled()
    assert lab.jupyter.data(case) == []


PUSHED = """
import base64, knit_lab as knit, pandas
pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
table = pandas.DataFrame({"day": range(70), "value": [day**2 / 7 for day in range(70)]})
script = "<script>parent.hacked=1</script>"
data = knit.push(
    {
        "table.csv": table.to_csv(index=False), "table.parquet": table, "notes.txt": "first second",
        "report/index.html": f"<h1>Report</h1>{script}<img width=80 height=40 src='dot.png'>",
        "report/dot.png": base64.b64decode(pixel), "model.bin": bytes(range(256)) * 9,
        "drawing.svg": f"<svg xmlns='http://www.w3.org/2000/svg' width='80' height='40'>{script}"
        "<circle cx='20' cy='20' r='15' fill='teal'/></svg>",
    },
    ["CASE", "type:measurement", "project:weather", "quality:<img src=x onerror=window.hacked=1>"],
)
"""
MORE = """
for number in range(12):
    knit.push({"day.txt": str(number)}, [data.tags[0], f"day:{number}", "type:raw"])
knit.push({"x": "x"}, [data.tags[0], "long:" + "a-very-long-value-" * 60])
"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_browse_look_and_tag(lab: LabPage, case: str, app: App) -> None:
    """Choose a Data by keys, look into its files, change its tags, open its lineage; new Data come by themselves."""
    lab.open(
        PUSHED.replace("CASE", case),
        MORE,
        "knit.browse(data.tags[0])",
        app=app, dark=app == "notebook", name=f"browse-{app}.ipynb",
    )  # fmt: skip
    page, browser = lab.page, lab.page.locator(".knit-data-browser")
    rows = browser.locator(".knit-grid").first.locator("tbody tr")
    expect(rows).to_have_count(14)
    expect(browser).to_contain_text("Choose a Data to see what it is.")
    rows.last.focus()
    page.keyboard.press("Enter")
    panel = browser.locator(".knit-data-panel")
    expect(panel).to_contain_text("type:measurement")
    names = panel.locator(".knit-grid tbody tr")
    expect(names).to_have_count(7)
    names.filter(has_text="table.csv").click()
    expect(panel).to_contain_text("50 rows of 70")
    browser.scroll_into_view_if_needed()
    lab.screenshot(f"data-browser-{app}", of=browser)
    names.filter(has_text="index.html").click()
    frame = panel.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Report")
    assert frame.locator("img").evaluate("image => image.naturalWidth") == 1
    panel.locator("iframe").scroll_into_view_if_needed()
    lab.screenshot(f"data-browser-page-{app}", of=browser)
    names.filter(has_text="drawing.svg").click()
    expect(panel.locator("img[alt='drawing.svg']")).to_be_visible()
    names.filter(has_text="model.bin").click()
    expect(panel).to_contain_text("binary: the first 512 B")
    field = panel.locator(".knit-tags input")
    field.fill("quality:good")
    field.press("Enter")
    panel.get_by_role("button", name="Save tags").click()
    expect(panel).to_contain_text("Tags changed.")
    expect(rows.last).to_contain_text("quality:good")
    panel.get_by_role("button", name="Lineage").click()
    assert len(lab.wait_for_graph(least=2)) >= 2
    lab.jupyter.push(Path(__file__), case)
    expect(rows).to_have_count(15)
    assert not page.evaluate("window.hacked")
    assert not lab.errors


def test_filters_of_the_browser(lab: LabPage, case: str) -> None:
    """A tag is filtered by with completion and removed by its chip; nothing found says so."""
    lab.open(
        f"import knit_lab as knit\nknit.push({{'a': 'a'}}, ['{case}', 'colour:blue'])\n"
        f"knit.push({{'a': 'b'}}, ['{case}', 'colour:green'])",
        f"knit.browse('{case}')",
        name="filters.ipynb",
    )
    browser = lab.page.locator(".knit-data-browser")
    rows = browser.locator(".knit-grid").first.locator("tbody tr")
    expect(rows).to_have_count(2)
    field = browser.get_by_placeholder("filter by key:value")
    field.press_sequentially("colour:g")
    expect(browser.locator("datalist option[value='colour:green']")).to_have_count(1)
    field.fill("colour:green")
    field.press("Enter")
    expect(rows).to_have_count(1)
    field.fill("colour:none")
    field.press("Enter")
    expect(browser).to_contain_text("nothing fits these filters")
    lab.screenshot("data-browser-empty", of=browser)
    browser.get_by_role("button", name="colour:none").click()
    expect(rows).to_have_count(1)
    assert not lab.errors
