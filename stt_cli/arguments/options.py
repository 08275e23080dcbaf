"""Options that several commands share, each group converted to one value. Imports only click and value types."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Any

import click

from stt_cli.arguments.param_types import Hotwords, Number, RawFormat, ServerAddresses
from stt_cli.arguments.request import InputOptions, OutputOptions
from stt_client.events import AudioFormat, Settings
from stt_client.target import Target, Tls

Command = Callable[..., Any]
PEM_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


TLS_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option("--tls", is_flag=True, help="Use TLS and trust the system's CA certificates."),
    click.option(
        "--tls-ca", type=PEM_FILE, metavar="FILE", help="Trust this CA certificate (PEM) instead of the system's."
    ),
    click.option("--tls-cert", type=PEM_FILE, metavar="FILE", help="Client certificate (PEM)."),
    click.option("--tls-key", type=PEM_FILE, metavar="FILE", help="Private key of --tls-cert (PEM)."),
)


UTTERANCE_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--silence",
        "silence_s",
        type=Number(0.1, 10),
        metavar="SECONDS",
        help="Silence that ends an utterance. Default: the server's.",
    ),
    click.option(
        "--min-utterance",
        "min_utterance_s",
        type=Number(0, 20),
        metavar="SECONDS",
        help="Silence does not end an utterance shorter than this. Default: the server's.",
    ),
    click.option(
        "--max-utterance",
        "max_utterance_s",
        type=Number(5, 28),
        metavar="SECONDS",
        help="Split an utterance at this length. Default: the server's.",
    ),
    click.option(
        "--sensitivity",
        type=Number(0, 1),
        metavar="NUMBER",
        help="Sensitivity of the speech detector: higher values detect fainter speech, and more noise. "
        "Default: the server's.",
    ),
)


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def server_options(command: Command) -> Command:
    """Add the options of address, token and TLS; the command receives them as `target`."""

    @wraps(command)
    def wrapper(
        *arguments: object,
        server: tuple[str, ...],
        token: str | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        **others: object,
    ) -> object:
        return command(*arguments, target=Target(server, token, build_tls(tls, tls_ca, tls_cert, tls_key)), **others)

    return with_options(
        wrapper,
        click.option(
            "--server",
            type=ServerAddresses(),
            envvar="SERVER_HOST",
            default="localhost:8012",
            show_default=True,
            show_envvar=True,
            help="Address of the server; default port 8012. Separate alternative servers with commas.",
        ),
        click.option(
            "--token",
            envvar="STT_TOKEN",
            show_envvar=True,
            help="Bearer token. Prefer STT_TOKEN: command lines are visible to other users.",
        ),
        *TLS_OPTIONS,
    )


def build_tls(is_enabled: bool, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Tls | None:
    """Return the TLS configuration; None: no TLS."""
    if (cert_file is None) != (key_file is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together.")
    uses_tls = is_enabled or ca_file is not None or cert_file is not None
    return Tls(ca_file, cert_file, key_file) if uses_tls else None


def input_options(command: Command) -> Command:
    """Add the options of sources; the command receives them and the argument `sources` as `input_options`."""

    @wraps(command)
    def wrapper(  # noqa: PLR0913  (click passes each option as an argument)
        *arguments: object,
        sources: tuple[str, ...],
        realtime: bool,
        jobs: int,
        raw: AudioFormat | None,
        track: int | None,
        device: str | None,
        stop_after_silence_s: float | None,
        save_audio: Path | None,
        **others: object,
    ) -> object:
        if raw and not sources:
            raise click.UsageError("--raw applies to files and standard input (-), not to the microphone.")
        if track is not None and (raw or not sources):
            raise click.UsageError("--track applies to recordings in containers, not to the microphone or --raw.")
        for option, value in (
            ("--device", device),
            ("--stop-after-silence", stop_after_silence_s),
            ("--save-audio", save_audio),
        ):
            if sources and value is not None:
                raise click.UsageError(f"{option} applies to the microphone only, but sources are given.")
        options = InputOptions(sources, raw, realtime, device, stop_after_silence_s, save_audio, jobs, track)
        return command(*arguments, input_options=options, **others)

    return with_options(
        wrapper,
        click.option("--realtime", is_flag=True, help="Send recordings at real-time speed (1x)."),
        click.option(
            "--jobs",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            help="Number of recordings to recognize concurrently.",
        ),
        click.option(
            "--raw", type=RawFormat(), help="Read sources as headerless PCM: s16le (default), f32le, mulaw or alaw."
        ),
        click.option(
            "--track",
            type=click.IntRange(1, 512),
            metavar="NUMBER",
            help="Audio track to recognize, from 1. Default: the recording's default track.",
        ),
        click.option(
            "--device",
            metavar="NAME",
            help="Microphone whose name contains NAME: see `stt-cli devices`. file:PATH plays a recording instead.",
        ),
        click.option(
            "--stop-after-silence",
            "stop_after_silence_s",
            type=Number(0.5, 3600),
            metavar="SECONDS",
            help="Stop the microphone after this much silence.",
        ),
        click.option(
            "--save-audio",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="FOLDER",
            help="Save microphone audio as FLAC in FOLDER. Above 2 GB, delete the oldest. See `stt-cli recover`.",
        ),
    )


def speech_options(command: Command) -> Command:
    """Add the options of recognition; the command receives them as `settings`."""

    @wraps(command)
    def wrapper(  # noqa: PLR0913  (click passes each option as an argument)
        *arguments: object,
        language: str | None,
        prompt: str | None,
        hotwords: tuple[tuple[str, ...], ...],
        translate: bool,
        silence_s: float | None,
        min_utterance_s: float | None,
        max_utterance_s: float | None,
        sensitivity: float | None,
        **others: object,
    ) -> object:
        settings = Settings(
            language,
            prompt,
            tuple(chain.from_iterable(hotwords)),
            translate or None,
            silence_s,
            min_utterance_s,
            max_utterance_s,
            sensitivity,
        )
        return command(*arguments, settings=settings, **others)

    return with_options(
        wrapper,
        click.option(
            "--language", metavar="CODE", help="Whisper language code such as ru, or auto. Default: the server's."
        ),
        click.option("--prompt", metavar="TEXT", help="Text that guides spelling and style."),
        click.option("--hotwords", type=Hotwords(), multiple=True, help="Words to prefer. Repeatable."),
        click.option("--translate", is_flag=True, help="Translate speech of any language to English."),
        *UTTERANCE_OPTIONS,
    )


def output_options(command: Command) -> Command:
    """Add the options of outputs; the command receives them as `output_options`."""

    @wraps(command)
    def wrapper(
        *arguments: object,
        output_format: str,
        output: str | None,
        partials: bool | None,
        words: bool,
        copy: bool,
        verbose: bool,
        **others: object,
    ) -> object:
        options = OutputOptions(output_format, output, partials, words, copy, verbose)
        return command(*arguments, output_options=options, **others)

    return with_options(
        wrapper,
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["text", "json", "srt", "vtt"]),
            default="text",
            show_default=True,
            help="json: one object per line, see docs/recognize.schema.json.",
        ),
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write to FILE, or one file per source to FOLDER/. Replaces an existing FILE when complete.",
        ),
        click.option("--partials/--no-partials", default=None, help="Show partial results. Default: on a terminal."),
        click.option("--words", is_flag=True, help="Add word times to text and json. In text: one line per word."),
        click.option("--copy", is_flag=True, help="Copy each sentence to the clipboard."),
        click.option("-v", "--verbose", is_flag=True, help="Print the model and all suppressed utterances."),
    )
