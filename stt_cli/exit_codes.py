"""What commands print: their answer on stdout; what goes wrong as a line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from stt_cli.output.terminal import abandon_stdout
from stt_client.errors import ClientError, ConnectionFailedError
from stt_client.sanitize import sanitize_lines, sanitize_message


class NotReachedError(click.ClickException):
    exit_code = 3


def echo(text: str, err: bool = False) -> None:
    """Print lines that may contain text of a server or of a file."""
    click.echo(sanitize_lines(text), err=err)


@contextmanager
def failures() -> Iterator[None]:
    """Turn what goes wrong into a line on stderr and an exit code."""
    try:
        yield
    except ConnectionFailedError as error:
        raise NotReachedError(sanitize_message(str(error))) from error
    except ClientError as error:
        raise click.ClickException(sanitize_message(str(error))) from error
    except BrokenPipeError:  # as in `stt-cli recognize talk.wav | head -1`
        abandon_stdout()
        raise click.exceptions.Exit(0)
