"""Printing of results, and the conversion of errors to exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from stt_cli.output.terminal import discard_stdout
from stt_client.errors import ClientError, ConnectionFailedError
from stt_client.sanitize import sanitize_lines, sanitize_message


class ServerUnreachableError(click.ClickException):
    exit_code = 3


def echo(text: str, err: bool = False) -> None:
    """Print lines that may contain text from a server or a file, without control characters."""
    click.echo(sanitize_lines(text), err=err)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Convert client errors to one line on stderr and an exit code."""
    try:
        yield
    except ConnectionFailedError as error:
        raise ServerUnreachableError(sanitize_message(str(error))) from error
    except ClientError as error:
        raise click.ClickException(sanitize_message(str(error))) from error
    except BrokenPipeError:  # as in `stt-cli recognize talk.wav | head -1`
        discard_stdout()
        raise click.exceptions.Exit(0)
