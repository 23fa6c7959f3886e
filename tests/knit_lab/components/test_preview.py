"""Looking into files of Data: what is shown of each kind, and that nothing in them acts."""

from __future__ import annotations

import base64
import builtins
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_lab.components import preview
from knit_lab.objects.data import Data
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, Unsupported

SCRIPT = "<script>alert(1)</script>"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

Look = Callable[..., str]


@pytest.fixture
def look(session: Session, case: str) -> Look:
    """`look("a.txt", content, **others)`: push these files, and look into the first."""

    def looked(path: str, content: Any, **others: Any) -> str:
        data = session.push({path: content, **{name.replace("__", "."): each for name, each in others.items()}}, [case])
        return seen(session, data, path)

    return looked


def seen(session: Session, data: Data, path: str) -> str:
    """Look into one file of a Data."""
    files = list(data.files)
    return preview.preview(session.client, data.id, next(each for each in files if each["path"] == path), files)


class TestText:
    """Files that are text, and those that turn out not to be."""

    def test_text_is_escaped(self, look: Look) -> None:
        """Markup in a text is shown, not obeyed."""
        shown = look("a.txt", f"{SCRIPT}\nä\n")
        assert "&lt;script&gt;" in shown
        assert "<script" not in shown
        assert "ä" in shown

    def test_only_the_head_of_a_long_text(self, look: Look) -> None:
        """Of a long text the first 64 KiB are shown, also where a letter is cut in two."""
        shown = look("a.log", "x" + "ä" * 100_000)
        assert "the first 64.0 KiB of 195.3 KiB" in shown
        assert 32_700 <= shown.count("ä") <= 32_768

    def test_binary_is_shown_as_numbers(self, look: Look) -> None:
        """What is no text is shown as numbers and letters, its beginning only."""
        shown = look("a.bin", b"\0\x01<b>" + bytes(range(256)) * 8)
        assert "00000000  00 01 3c 62 3e" in shown
        assert "binary: the first 512 B of 2.0 KiB" in shown
        assert "&lt;b&gt;" in shown

    def test_nothing_to_see(self, look: Look, session: Session, case: str) -> None:
        """An empty file says so, and so do directories."""
        assert "an empty file" in look("sub/empty", b"")
        data = session.find(case, newest=True)
        assert "a directory" in seen(session, data, "sub")

    def test_a_symlink_says_where_it_points(self, session: Session) -> None:
        """A symlink is not followed."""
        entry: Any = {"path": "l", "kind": "symlink", "size": 0, "target": "<b>"}
        assert "a symlink to &lt;b&gt;" in preview.preview(session.client, "", entry)

    @given(st.binary(max_size=2000))
    def test_any_bytes(self, content: bytes) -> None:
        """Any bytes are shown, and no markup comes of them."""
        for shown in (
            preview.text(content, len(content)),
            preview.separated(content, ",", is_whole=False),
            preview.hexadecimal(content, len(content)),
        ):
            bare = re.sub(r"</?(?:pre|div|i|table|caption|thead|tbody|tr|th|td)\b[^<>]*>", "", shown)
            assert "<" not in bare

    def test_a_long_file_is_not_fetched_whole(self, session: Session, case: str) -> None:
        """The head of a file is all that is asked for."""
        data = session.push({"a.log": b"x" * (20 << 20)}, [case])
        assert preview.head(session.client, data.id, "a.log", 100) == b"x" * 100
        assert session.data[data.id].id == data.id  # the connection that was broken off does no harm


class TestTables:
    """CSV, TSV, Parquet and Feather."""

    def test_csv(self, look: Look) -> None:
        """Rows of a CSV stand in a table, with its titles, escaped."""
        shown = look("a.csv", f'day,"the value"\n1,{SCRIPT}\n2,\n\n3,x,more\n')
        assert re.search(r"<th[^>]*>the value</th>", shown)
        assert "&lt;script&gt;" in shown
        assert "3 rows" in shown

    def test_tsv_and_long_tables(self, look: Look) -> None:
        """Tabs separate as well; only the first rows and columns are shown, and it is said how many there are."""
        wide = "\t".join(f"c{at}" for at in range(40))
        shown = look("a.tsv", "\n".join([wide, *["\t".join("x" * 40)] * 99]))
        assert "50 rows of 99, 30 of 40 columns" in shown

    def test_a_csv_that_is_cut_off(self, look: Look) -> None:
        """Of a long CSV the row that is cut off is left out."""
        shown = look("a.csv", "a,b\n" + "1234567,z\n" * 20_000)
        assert "50 rows at its beginning" in shown

    @pytest.mark.parametrize(
        ("content", "said"), [(b"\0\1", "binary"), (b"\n\n", "no rows"), (b"a," + b"x" * 140_000, "xxx")]
    )
    def test_csv_that_is_none(self, look: Look, content: bytes, said: str) -> None:
        """What only claims to be a CSV is shown as what it is."""
        assert said in look("a.csv", content)

    @pytest.mark.parametrize("ending", ["parquet", "feather"])
    def test_parquet_and_feather(self, look: Look, ending: str) -> None:
        """First rows of a DataFrame, with the number of all."""
        pandas = pytest.importorskip("pandas")
        shown = look(f"a.{ending}", pandas.DataFrame({"value": range(70), SCRIPT: ["x" * 300] * 70}))
        assert "50 rows of 70" in shown
        assert "<script" not in shown
        assert "x" * 199 + "…" in shown

    def test_a_broken_parquet(self, look: Look) -> None:
        """A file that is no Parquet is an error with advice."""
        with pytest.raises(InvalidInput, match=r"this is no sound \.parquet file"):
            look("a.parquet", b"PAR1 no")

    @pytest.mark.parametrize("library", ["pandas", "pyarrow"])
    def test_without_the_libraries(self, look: Look, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without pandas the error says what to install."""
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"a": [1]})
        real = builtins.__import__

        def without(name: str, *arguments: Any, **options: Any) -> Any:
            if name == "pandas" and library == "pandas":
                raise ImportError(name)
            return real(name, *arguments, **options)

        def unreadable(place: Any) -> Any:
            raise ImportError("pyarrow")

        content = frame.to_parquet()
        monkeypatch.setattr(pandas, "read_parquet", unreadable)
        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(Unsupported, match=r"looking into \.parquet needs pandas|reading \.parquet needs a library"):
            look("a.parquet", content)


class TestPicturesAndPages:
    """What could act in a page, if it were let."""

    def test_pictures_are_data_in_an_img(self, look: Look) -> None:
        """A picture is a data: URI in `<img>`, an SVG as well: there no script runs."""
        assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in look("a.PNG", PNG)
        svg = f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>"
        shown = look('"><script>.svg', svg)
        assert "data:image/svg+xml;base64," in shown
        assert "<script" not in shown
        assert "<svg" not in shown

    def test_pages_stand_in_a_frame(self, look: Look) -> None:
        """A page stands in a sandbox that allows nothing, with a policy that loads nothing from elsewhere."""
        shown = look("index.html", f'<h1>Hi</h1>{SCRIPT}"><img src=http://example.org/x.png onerror=alert(1)>')
        assert shown.startswith('<iframe sandbox="" ')
        assert shown.count("<") == 2  # the frame and its end
        assert "default-src 'none'" in unescape(shown)
        assert "allow" not in shown

    def test_pictures_of_the_same_data_are_put_in(self, look: Look) -> None:
        """Pictures beside a page are put into it, by name, below it or above; nothing from outside of the Data."""
        page = "<img src='a.png'><img class=x src=\"../b%20c.png\"><img src='../../etc/passwd.png'><img src='no.png'>"
        shown = unescape(look("sub/index.html", page, **{"sub/a.png": PNG, "b c.png": PNG}))
        uri = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        assert f'<img src="{uri}"><img class=x src="{uri}"><img src=\'../../etc/passwd.png\'>' in shown

    @pytest.mark.parametrize(
        ("path", "most"), [("a.png", "MOST_PICTURE"), ("a.html", "MOST_PAGE"), ("a.parquet", "MOST_TABLE")]
    )
    def test_too_large(self, look: Look, path: str, most: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is of no use in part is not fetched when it is too large."""
        monkeypatch.setattr(preview, most, 10)
        assert "11 B are too much for a preview (10 B at most)" in look(path, b"x" * 11)
