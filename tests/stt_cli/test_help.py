"""Help texts with valid examples, shell completion, and the few modules that both import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stt_cli.commands.main import cli

SHORT_HELP_CHARACTERS = 45  # click truncates a longer one in the list of commands
STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
# Prints the imported modules outside the standard library after the help has been printed.
LOADED = """
import contextlib, io, sys
before = set(sys.modules)
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    sys.argv = ["stt-cli", *sys.argv[1:]]
    from stt_cli.commands.main import main
    main()
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - set(sys.stdlib_module_names) | loaded & {"asyncio", "ssl", "multiprocessing"}))
"""


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--help"])
    assert result.exit_code == 0
    return result.output


def commands_of(group: click.Group) -> dict[tuple[str, ...], click.Command]:
    """Return the commands and their subcommands, keyed by their words on the command line."""
    found = dict[tuple[str, ...], click.Command]()
    for name, command in group.commands.items():
        found[(name,)] = command
        below = commands_of(command) if isinstance(command, click.Group) else {}
        found.update({(name, *words): each for words, each in below.items()})
    return found


COMMANDS = commands_of(cli)
NAMES = [pytest.param(words, id=" ".join(words)) for words in sorted(COMMANDS)]


def examples(words: tuple[str, ...]) -> list[str]:
    """Return the arguments after `stt-cli` in the examples of the command's help."""
    part = help_of(*words).partition("Examples:\n")[2].partition("\n\n")[0]
    return re.findall(r"stt-cli (\w[^|>)\n]*)", part)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_examples_whose_options_exist(name: tuple[str, ...]) -> None:
    assert examples(name)
    for example in examples(name):
        words = example.split()
        command = COMMANDS.get((words[0], *words[1:2])) or COMMANDS[(words[0],)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-") and word != "-"} <= options


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name: tuple[str, ...]) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]}"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_short_help_that_lists_show_whole(name: tuple[str, ...]) -> None:
    assert 0 < len(COMMANDS[name].get_short_help_str(limit=200)) <= SHORT_HELP_CHARACTERS


@pytest.mark.parametrize("name", NAMES)
def test_manual_documents_every_command_and_option(name: tuple[str, ...]) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"| `{' '.join(name)}" in manual
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert any(option in manual for option in parameter.opts), parameter.opts


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["recognize", "--help"], ["models", "load", "--help"], ["completion", "bash"], ["--version"]],
)
def test_quick_commands_import_only_click(arguments: list[str]) -> None:
    completed = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, check=True, text=True)
    assert completed.stdout.split() == ["click", "stt_cli", "stt_client"]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["reco"], {"recognize", "recover"}),
        (["recognize", "--stop"], {"--stop-after-silence"}),
        (["recognize", "--format", "s"], {"srt"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["models", "load", "--role", ""], {"finals", "partials", "both"}),
        (["sessions", "t"], {"terminate"}),
    ],
)
def test_shell_completion_covers_commands_options_and_values(typed: list[str], offered: set[str]) -> None:
    """Run in a real bash with the script that the command prints."""
    words = " ".join(f"'{word}'" for word in ["stt-cli", *typed])
    program = f"""
        PATH={Path(STT_CLI).parent}:$PATH
        source <(stt-cli completion bash)
        COMP_WORDS=({words}) COMP_CWORD={len(typed)}
        _stt_cli_completion stt-cli
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    completed = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert set(completed.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_exist_for_other_shells(shell: str) -> None:
    assert "_STT_CLI_COMPLETE" in CliRunner().invoke(cli, ["completion", shell]).output
