"""Options of the commands for operators, converted to values. Imports only click and value types."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

from stt_cli.arguments.options import TLS_OPTIONS, Command, build_tls, with_options
from stt_cli.arguments.param_types import CONTROL_PORT, ServerAddress, ServerAddresses
from stt_client.target import Target

CONTROL_ACCESS_HELP = (
    "Bearer token of Control, not of the data port. Prefer STT_CONTROL_TOKEN: command lines are visible to other users."
)


def _default_control_address() -> str:
    """Return the address of Control on the first server of SERVER_HOST."""
    first = ServerAddresses().convert(os.environ.get("SERVER_HOST") or "localhost", None, None)[0]
    return f"{first.rpartition(':')[0]}:{CONTROL_PORT}"


CONTROL_OPTION = click.option(
    "--control",
    type=ServerAddress(CONTROL_PORT),
    default=_default_control_address,
    show_default="the host of SERVER_HOST, port 8011",
    help="Address of the server's Control; default port 8011.",
)
FORMAT_OPTION = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)


def control_options(command: Command) -> Command:
    """Add the options of address, token and TLS of Control; the command receives them as `control`."""

    @wraps(command)
    def wrapper(
        *arguments: object,
        control: str,
        token: str | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        **others: object,
    ) -> object:
        target = Target((control,), token, build_tls(tls, tls_ca, tls_cert, tls_key))
        return command(*arguments, control=target, **others)

    return with_options(
        wrapper,
        CONTROL_OPTION,
        click.option("--token", envvar="STT_CONTROL_TOKEN", show_envvar=True, help=CONTROL_ACCESS_HELP),
        *TLS_OPTIONS,
    )


def watch_options(command: Command) -> Command:
    """Add the address and token of Control and the interval; the TLS options of `target` apply to Control too."""

    @wraps(command)
    def wrapper(
        *arguments: object, control: str, control_token: str | None, target: Target, **others: object
    ) -> object:
        return command(*arguments, target=target, control=Target((control,), control_token, target.tls), **others)

    options: tuple[Callable[[Command], Command], ...] = (
        CONTROL_OPTION,
        click.option("--control-token", envvar="STT_CONTROL_TOKEN", show_envvar=True, help=CONTROL_ACCESS_HELP),
        click.option(
            "--interval",
            "interval_s",
            type=click.FloatRange(0.2, 60),
            default=1.0,
            show_default=True,
            metavar="SECONDS",
            help="Update interval of --watch.",
        ),
    )
    return with_options(wrapper, *options)
