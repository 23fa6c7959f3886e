"""`%knit` and `%%knit` themselves: words in, objects out."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from knit_cli import extensions
from knit_cli.frame import Root
from knit_cli.hosting import WrongWords
from knit_cli.main import hosted, split_root
from knit_lab import api
from knit_lab.magics import helping, results, short, tree, troubles, watching
from knit_lab.magics.cells import making
from knit_lab.magics.cells.words import CellWords
from knit_lab.magics.host import Notebook
from knit_lab.magics.troubles import Interrupted
from knit_lab.session import Session
from knit_server.client import profiles
from knit_server.client.api import KnitClient
from knit_server.domain.errors import KnitError, Unsupported


@magics_class
class KnitMagics(Magics):
    """The magics. Sessions for profiles that flags name stay open until `close`: what was found needs them."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._sessions: dict[Root, Session] = {}
        self._workshop = making.Workshop(shell.user_ns, self._execute)

    @line_cell_magic
    def knit(self, line: str, cell: str | None = None) -> object:
        """Give a `knit` command: %knit WORDS. What is found comes as an object.

            found = %knit data find -t type:raw
            %knit data push ./measurements -t type:raw
            %knit run watch
            %knit lineage type:clean
            %knit why 4f2a
            %knit --help            (or: %knit? and %knit data push?)

        Make a Plan of a cell: %%knit plan NAME --in raw=type:raw --out made=type:clean --apply
        (all about it: %%knit plan?)
        """
        try:
            words = shlex.split(line)
        except ValueError as err:
            raise WrongWords(f"{err}: {line}", advice="Close the quotation, or write \\' for a quote itself.") from err
        if cell is not None:
            return self._cell(words, cell)
        try:
            return self._line(words or ["--help"])
        except KeyboardInterrupt as err:
            raise Interrupted("interrupted", advice="What the server has begun goes on there.") from err

    def session(self, root: Root) -> Session:
        """Return the session in use, or one for the profile that the root flags name."""
        named = Root(profile=root.profile, store=root.store)
        if named == Root():
            return api.current()
        if named not in self._sessions:
            profile = profiles.load(profiles.select(name=named.profile, store=named.store))
            self._sessions[named] = Session(KnitClient.from_profile(profile))
        return self._sessions[named]

    def close(self) -> None:
        """Close the sessions that flags named, and remove what cells have written here."""
        for each in self._sessions.values():
            each.close()
        self._sessions.clear()
        self._workshop.close()

    # --- %knit --------------------------------------------------------------------------------------------------------

    def _line(self, words: list[str]) -> object:
        if words[0].startswith(helping.CELL):
            first = words[0].removeprefix(helping.CELL)
            hosted([*([first] if first else []), *words[1:]], Notebook(self.session), tree.CELL)
            return None
        rest, root, _ = split_root(words, take_help=False)
        if rest and rest[0] in tree.TERMINAL_ONLY:
            raise Unsupported(f"`knit {rest[0]}` is not for notebooks", advice=tree.TERMINAL_ONLY[rest[0]])
        if rest and rest[0] not in tree.LINE.table and (program := extensions.find(rest[0], os.environ)):
            _extension([str(program), *rest[1:]], root)
            return None
        notebook = Notebook(self.session)
        code = hosted(words, notebook, tree.LINE)
        if not notebook.taken:
            if code:
                raise KnitError(
                    f"knit {' '.join(rest)}: ended with exit code {code}", advice="What it printed above says why."
                )
            return None
        session = notebook.session or self.session(root)
        if notebook.taken[0].command == short.WATCH:
            return watching.begin(session, notebook, notebook.taken[0].value)
        return results.made(session, notebook.taken)

    # --- %%knit -------------------------------------------------------------------------------------------------------

    def _cell(self, words: list[str], cell: str) -> object:
        notebook = Notebook(self.session)
        try:
            hosted(words or ["--help"], notebook, tree.CELL)
        except WrongWords as err:  # the cell is read on, so no page of help stands between its lines and the mistake
            named = " ".join(["%%knit", *[each for each in words if each in tree.CELL.table][:1]])
            raise WrongWords(err.reason, advice=f"see: {named}?") from err
        if not notebook.taken:  # help was asked for
            return None
        wishes: CellWords = notebook.taken[0].value
        _, root, _ = split_root(words)
        made = self._workshop.make(self.session(root), wishes, cell)
        if wishes.to is not None:
            assert self.shell is not None
            self.shell.user_ns[wishes.to] = made
        return made

    def _execute(self, source: str) -> None:
        """Run the code of a cell in the notebook's own names; what it raises shows the cell's lines."""
        assert self.shell is not None
        running = self.shell.displayhook.exec_result
        count = getattr(running, "execution_count", None) or self.shell.execution_count  # the latter is the next cell's
        name = self.shell.compile.cache(source, count, raw_code=source)
        code = compile(source, name, "exec", dont_inherit=True)
        with troubles.from_here(self.shell):
            exec(code, self.shell.user_ns)  # noqa: S102 - the user's own cell


def _extension(command: Sequence[str], root: Root) -> None:
    """Run an extension command; it prints into the cell as it goes. Raises `KnitError` if it fails."""
    surroundings = {**os.environ, **extensions.variables(root)}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        raise KnitError(
            f"{command[0]} cannot be started: {why}", advice="It must be a program, or a script that begins with `#!`."
        ) from err
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise KnitError(f"{command[0]}: ended with exit code {process.returncode}", advice="See what it printed above.")
