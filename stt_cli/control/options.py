"""The options of commands for operators, gathered into values. Loads only click."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from stt_cli.arguments.options import TLS_OPTIONS, Command, tls_of, with_options
from stt_cli.arguments.param_types import CONTROL_PORT, ServerAddress, ServerAddresses
from stt_client.target import Target

HOLDS = "What Control lets in; not the token of the data port. Others on this machine see a command line."


def _on_the_same_host() -> str:
    """Return where Control is on the first of the servers that SERVER_HOST names."""
    first = ServerAddresses().convert(os.environ.get("SERVER_HOST") or "localhost", None, None)[0]
    return f"{first.rpartition(':')[0]}:{CONTROL_PORT}"


CONTROL = click.option(
    "--control",
    type=ServerAddress(CONTROL_PORT),
    default=_on_the_same_host,
    show_default="the host of SERVER_HOST, port 8011",
    help="Where the server's Control is, port 8011 if none is given.",
)
FORMAT = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or for programs.",
)


def control_options(command: Command) -> Command:
    """Add where Control is and how to be let in; the command gets it as `control`."""

    @wraps(command)
    def gathered(
        *arguments: object,
        control: str,
        token: str | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        **others: object,
    ) -> object:
        target = Target((control,), token, tls_of(tls, tls_ca, tls_cert, tls_key))
        return command(*arguments, control=target, **others)

    return with_options(
        gathered,
        CONTROL,
        click.option("--token", envvar="STT_CONTROL_TOKEN", show_envvar=True, help=HOLDS),
        *TLS_OPTIONS,
    )


def watch_options(command: Command) -> Command:
    """Add Control beside a server that is `target`, and how often to look; TLS is as for the server."""

    @wraps(command)
    def gathered(
        *arguments: object, control: str, control_token: str | None, target: Target, **others: object
    ) -> object:
        return command(*arguments, target=target, control=Target((control,), control_token, target.tls), **others)

    options: tuple[Callable[[Command], Command], ...] = (
        CONTROL,
        click.option("--control-token", envvar="STT_CONTROL_TOKEN", show_envvar=True, help=HOLDS),
        click.option(
            "--interval",
            "interval_s",
            type=click.FloatRange(0.2, 60),
            default=1.0,
            show_default=True,
            metavar="SECONDS",
            help="With --watch: between two looks.",
        ),
    )
    return with_options(gathered, *options)
