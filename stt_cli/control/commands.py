"""The commands for operators: config, models, sessions, drain. Loads only click until one runs."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.core import ParameterSource

from stt_cli.control.options import FORMAT, control_options
from stt_cli.exit_codes import echo, failures
from stt_client.target import Target

CONFIG_EXAMPLES = """\b
Examples:
  stt-cli config get
  stt-cli config get BEAM_SIZE MAX_STREAMS
  stt-cli config set BEAM_SIZE=1 LOG_LEVEL=debug
  stt-cli config set --control gpu-box HOTWORDS="gRPC, Whisper"
"""
SESSIONS_EXAMPLES = """\b
Examples:
  stt-cli sessions
  stt-cli sessions --format json | jq -r '.[].peer' | sort | uniq -c
  stt-cli sessions finalize 4f1c22ab
  stt-cli sessions terminate 4f1c22ab
"""
MODELS_EXAMPLES = """\b
Examples:
  stt-cli models
  stt-cli models load large-v3-turbo --for finals
  stt-cli models unload medium
"""
DRAIN_EXAMPLES = """\b
Examples:
  stt-cli drain --control gpu-box
  stt-cli drain --cancel
"""


class Assignments(click.ParamType[tuple[str, str]]):
    name = "NAME=VALUE"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, sign, written = value.partition("=")
        if not (name and sign):
            self.fail(f"{value!r}: write NAME=VALUE, as BEAM_SIZE=1; an empty value is the default.", param, ctx)
        return name.upper(), written


@click.group(epilog=CONFIG_EXAMPLES)
def config() -> None:
    """Read and change the settings of a running server."""


@config.command("get", epilog=CONFIG_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@control_options
@FORMAT
def config_get(names: tuple[str, ...], control: Target, output_format: str) -> None:
    """Print settings as they are in force, with what would do and from when on a change holds."""
    from stt_cli.control import operations

    with failures():
        echo(operations.settings(control, names, as_json=output_format == "json"))


@config.command("set", epilog=CONFIG_EXAMPLES)
@click.argument("changes", nargs=-1, required=True, type=Assignments())
@control_options
@FORMAT
def config_set(changes: tuple[tuple[str, str], ...], control: Target, output_format: str) -> None:
    """Change settings, all or none of them, and print them as they are in force then.

    The server writes nothing down: a restart forgets it. An empty VALUE is the default.
    """
    from stt_cli.control import operations

    values: Mapping[str, str] = dict(changes)
    with failures():
        echo(operations.change(control, values, as_json=output_format == "json"))


def _is_for_a_subcommand(context: click.Context) -> bool:
    """Tell whether a command below follows, which has options of its own: those before it would be for nothing."""
    if context.invoked_subcommand is None:
        return False
    for name in context.params:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"Options stand behind {context.invoked_subcommand}.")
    return True


@click.group(epilog=SESSIONS_EXAMPLES, invoke_without_command=True)
@control_options
@FORMAT
@click.pass_context
def sessions(context: click.Context, control: Target, output_format: str) -> None:
    """List the streams that are open, or end an utterance or a stream."""
    if not _is_for_a_subcommand(context):
        from stt_cli.control import operations

        with failures():
            echo(operations.sessions(control, as_json=output_format == "json"))


@sessions.command("finalize", epilog=SESSIONS_EXAMPLES)
@click.argument("session_id", metavar="ID")
@control_options
def sessions_finalize(session_id: str, control: Target) -> None:
    """End the open utterance of stream ID now; the stream goes on."""
    from stt_cli.control import operations

    with failures():
        echo(operations.finalize(control, session_id))


@sessions.command("terminate", epilog=SESSIONS_EXAMPLES)
@click.argument("session_id", metavar="ID")
@control_options
def sessions_terminate(session_id: str, control: Target) -> None:
    """End stream ID: its client gets what it is owed, and does not come back by itself."""
    from stt_cli.control import operations

    with failures():
        echo(operations.terminate(control, session_id))


@click.group(epilog=MODELS_EXAMPLES, invoke_without_command=True)
@control_options
@FORMAT
@click.pass_context
def models(context: click.Context, control: Target, output_format: str) -> None:
    """List the models that are loaded, load another for new streams, or unload one."""
    if not _is_for_a_subcommand(context):
        from stt_cli.control import operations

        with failures():
            echo(operations.models(control, as_json=output_format == "json"))


@models.command("load", epilog=MODELS_EXAMPLES)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["finals", "partials", "both"]),
    required=True,
    help="What new streams shall use it for; open ones keep what they have.",
)
@control_options
def models_load(name: str, role: str, control: Target) -> None:
    """Load model NAME, a size, a hub name or a folder, and wait until new streams get it.

    Ctrl-C ends the waiting, not the loading.
    """
    from stt_cli.control import operations

    with failures():
        echo(operations.load(control, name, role))


@models.command("unload", epilog=MODELS_EXAMPLES)
@click.argument("name")
@control_options
def models_unload(name: str, control: Target) -> None:
    """Free the memory of model NAME, once the streams that have it end."""
    from stt_cli.control import operations

    with failures():
        echo(operations.unload(control, name))


@click.command(epilog=DRAIN_EXAMPLES)
@click.option("--cancel", is_flag=True, help="Admit streams again; those that were told to go still do.")
@control_options
def drain(cancel: bool, control: Target) -> None:
    """Send the streams elsewhere and admit none: before an upgrade, or to take a server out of a cluster.

    The server stays and can be called back; SIGTERM ends it.
    """
    from stt_cli.control import operations

    with failures():
        echo(operations.drain(control, cancel=cancel))
