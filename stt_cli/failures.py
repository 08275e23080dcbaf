"""What goes wrong in a command becomes a line on stderr and an exit code here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from stt_cli.errors import ClientError, Unreachable
from stt_cli.terminal import abandon_stdout


class NotReached(click.ClickException):
    exit_code = 3


@contextmanager
def failures() -> Iterator[None]:
    """Turn what goes wrong into a line on stderr and an exit code."""
    try:
        yield
    except Unreachable as error:
        raise NotReached(str(error)) from error
    except ClientError as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:  # as in `stt-cli recognize talk.wav | head -1`
        abandon_stdout()
        raise click.exceptions.Exit(0)
