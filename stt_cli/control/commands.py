"""Commands for operators: config, models, sessions, drain. Imports only click until a command runs."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.core import ParameterSource

from stt_cli.control.options import FORMAT_OPTION, control_options
from stt_cli.exit_codes import echo, exit_on_error
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
  stt-cli models load large-v3-turbo --role finals
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
        name, sign, setting = value.partition("=")
        if not (name and sign):
            self.fail(f"Invalid setting {value!r}: must be NAME=VALUE, such as BEAM_SIZE=1.", param, ctx)
        return name.upper(), setting


@click.group(short_help="Read and change server settings", epilog=CONFIG_EXAMPLES)
def config() -> None:
    """Read and change the settings of a running server."""


@config.command("get", short_help="Print current settings", epilog=CONFIG_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@control_options
@FORMAT_OPTION
def config_get(names: tuple[str, ...], control: Target, output_format: str) -> None:
    """Print current settings, with their valid values and when a change applies."""
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.get_settings(control, names, as_json=output_format == "json"))


@config.command("set", short_help="Change settings", epilog=CONFIG_EXAMPLES)
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...", type=Assignments())
@control_options
@FORMAT_OPTION
def config_set(changes: tuple[tuple[str, str], ...], control: Target, output_format: str) -> None:
    """Change settings, all or none, and print their new values.

    An empty VALUE restores the default. Changes are lost when the server restarts.
    """
    from stt_cli.control import operations

    values: Mapping[str, str] = dict(changes)
    with exit_on_error():
        echo(operations.set_settings(control, values, as_json=output_format == "json"))


def _has_subcommand(context: click.Context) -> bool:
    """Return whether a subcommand follows. It has its own options, so options in front of it are an error."""
    if context.invoked_subcommand is None:
        return False
    for name in context.params:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"Options must come after {context.invoked_subcommand}.")
    return True


@click.group(short_help="List and control open streams", epilog=SESSIONS_EXAMPLES, invoke_without_command=True)
@control_options
@FORMAT_OPTION
@click.pass_context
def sessions(context: click.Context, control: Target, output_format: str) -> None:
    """List open streams, finalize an utterance or terminate a stream."""
    if not _has_subcommand(context):
        from stt_cli.control import operations

        with exit_on_error():
            echo(operations.list_sessions(control, as_json=output_format == "json"))


@sessions.command("finalize", short_help="Finalize a stream's open utterance", epilog=SESSIONS_EXAMPLES)
@click.argument("session_id", metavar="ID")
@control_options
def sessions_finalize(session_id: str, control: Target) -> None:
    """Finalize the open utterance of stream ID now. The stream stays open."""
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.finalize_session(control, session_id))


@sessions.command("terminate", short_help="Terminate a stream", epilog=SESSIONS_EXAMPLES)
@click.argument("session_id", metavar="ID")
@control_options
def sessions_terminate(session_id: str, control: Target) -> None:
    """Terminate stream ID after its pending finals. Its client does not reconnect."""
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.terminate_session(control, session_id))


@click.group(short_help="List, load and unload models", epilog=MODELS_EXAMPLES, invoke_without_command=True)
@control_options
@FORMAT_OPTION
@click.pass_context
def models(context: click.Context, control: Target, output_format: str) -> None:
    """List models, load one for new streams, or unload one."""
    if not _has_subcommand(context):
        from stt_cli.control import operations

        with exit_on_error():
            echo(operations.list_models(control, as_json=output_format == "json"))


@models.command("load", short_help="Load a model for new streams", epilog=MODELS_EXAMPLES)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["finals", "partials", "both"]),
    required=True,
    help="Results that new streams use it for. Open streams keep their models.",
)
@control_options
def models_load(name: str, role: str, control: Target) -> None:
    """Load model NAME and wait until new streams use it. NAME is a size, a hub name or a folder.

    Ctrl-C stops waiting; the server continues to load the model.
    """
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.load_model(control, name, role))


@models.command("unload", short_help="Unload a model", epilog=MODELS_EXAMPLES)
@click.argument("name")
@control_options
def models_unload(name: str, control: Target) -> None:
    """Free the memory of model NAME when no open stream uses it."""
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.unload_model(control, name))


@click.command(short_help="Stop accepting streams, move open ones", epilog=DRAIN_EXAMPLES)
@click.option("--cancel", is_flag=True, help="Accept new streams again. Streams that were asked to move still move.")
@control_options
def drain(cancel: bool, control: Target) -> None:
    """Reject new streams and ask open ones to move, before an upgrade or to take a server out of a cluster.

    The server keeps running and the drain can be canceled. SIGTERM stops the server.
    """
    from stt_cli.control import operations

    with exit_on_error():
        echo(operations.drain(control, cancel=cancel))
