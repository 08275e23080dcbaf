"""What goes wrong in a command becomes a line on stderr and an exit code here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from stt_cli.errors import ClientError, Unreachable


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at exit
        raise click.exceptions.Exit(0)
