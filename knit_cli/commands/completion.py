"""`knit completion`: the script for a shell's own completion."""

from __future__ import annotations

import click

from knit_cli import frame, output


@click.command(
    "completion", cls=frame.Command, add_help_option=False,
    help="Print the script that lets a shell complete words.\n"
    "For bash, put into ~/.bashrc: eval \"$(knit completion bash)\"\n"
    "For zsh, put into ~/.zshrc: eval \"$(knit completion zsh)\"\n"
    "For fish: knit completion fish > ~/.config/fish/completions/knit.fish",
)  # fmt: skip
@frame.argument("shell", "bash|zsh|fish", "The shell.")
def completion(shell: str) -> None:
    """Print the script."""
    from knit_cli import completion as engine

    if shell not in engine.SHELLS:
        raise frame.usage(f"the shell is one of {', '.join(engine.SHELLS)}, not {shell!r}")
    output.emit(engine.script(shell).strip("\n") + "\n")
