"""The options that several commands have, gathered into values. Loads only click."""

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
    click.option("--tls", is_flag=True, help="Encrypt, and trust the authorities that this system trusts."),
    click.option("--tls-ca", type=PEM_FILE, metavar="FILE", help="Trust this authority (PEM) instead."),
    click.option("--tls-cert", type=PEM_FILE, metavar="FILE", help="Show this certificate (PEM) to the server."),
    click.option("--tls-key", type=PEM_FILE, metavar="FILE", help="The certificate's key (PEM)."),
)


UTTERANCE_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--silence",
        "silence_s",
        type=Number(0.1, 10),
        metavar="SECONDS",
        help="Silence that ends an utterance, 0.1 to 10 s; else the server's.",
    ),
    click.option(
        "--min-utterance",
        "min_utterance_s",
        type=Number(0, 20),
        metavar="SECONDS",
        help="Silence does not end an utterance shorter than this, 0 to 20 s; else the server's.",
    ),
    click.option(
        "--max-utterance",
        "max_utterance_s",
        type=Number(5, 28),
        metavar="SECONDS",
        help="Split an utterance at this length, 5 to 28 s; else the server's.",
    ),
    click.option(
        "--sensitivity",
        type=Number(0, 1),
        metavar="NUMBER",
        help="Sensitivity of the speech detector, 0 to 1; higher takes fainter sounds for speech; else the server's.",
    ),
)


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def server_options(command: Command) -> Command:
    """Add where the server is and how to be let in; the command gets it as `target`."""

    @wraps(command)
    def gathered(
        *arguments: object,
        server: tuple[str, ...],
        token: str | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        **others: object,
    ) -> object:
        return command(*arguments, target=Target(server, token, tls_of(tls, tls_ca, tls_cert, tls_key)), **others)

    return with_options(
        gathered,
        click.option(
            "--server",
            type=ServerAddresses(),
            envvar="SERVER_HOST",
            default="localhost:8012",
            show_default=True,
            show_envvar=True,
            help="Where the server is, port 8012 if none is given; several, with commas, stand in for each other.",
        ),
        click.option(
            "--token",
            envvar="STT_TOKEN",
            show_envvar=True,
            help="What the server lets in. Others on this machine see a command line, not the environment.",
        ),
        *TLS_OPTIONS,
    )


def tls_of(asked: bool, authorities: Path | None, certificate: Path | None, key: Path | None) -> Tls | None:
    """Return what the TLS options say; None: no TLS."""
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together.")
    encrypts = asked or authorities is not None or certificate is not None
    return Tls(authorities, certificate, key) if encrypts else None


def source_options(command: Command) -> Command:
    """Add what to recognise, beside the argument `sources`; the command gets both as `audio`."""

    @wraps(command)
    def gathered(  # noqa: PLR0913  (click hands over options one by one)
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
            raise click.UsageError("--raw is for files and standard input (-), not for the microphone.")
        if track is not None and (raw or not sources):
            raise click.UsageError("--track is for recordings in containers, not for the microphone or --raw.")
        for option, value in (
            ("--device", device),
            ("--stop-after-silence", stop_after_silence_s),
            ("--save-audio", save_audio),
        ):
            if sources and value is not None:
                raise click.UsageError(f"{option} is for the microphone, and sources are given.")
        audio = InputOptions(sources, raw, realtime, device, stop_after_silence_s, save_audio, jobs, track)
        return command(*arguments, audio=audio, **others)

    return with_options(
        gathered,
        click.option("--realtime", is_flag=True, help="Send a recording at the speed of speech."),
        click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Recordings at once."),
        click.option("--raw", type=RawFormat(), help="The sources are headerless: s16le, f32le, mulaw or alaw."),
        click.option(
            "--track",
            type=click.IntRange(1, 512),
            metavar="NUMBER",
            help="The audio track to recognize, from 1; else the default one.",
        ),
        click.option(
            "--device",
            metavar="NAME",
            help="A microphone, by part of its name: see `stt-cli devices`. file:PATH plays a recording in its place.",
        ),
        click.option(
            "--stop-after-silence",
            "stop_after_silence_s",
            type=Number(0.5, 3600),
            metavar="SECONDS",
            help="End the microphone when nobody has spoken for so long.",
        ),
        click.option(
            "--save-audio",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="FOLDER",
            help="Keep what the microphone hears there, as FLAC; beyond 2 GB the oldest go. See `stt-cli recover`.",
        ),
    )


def speech_options(command: Command) -> Command:
    """Add how speech is recognised; the command gets it as `settings`."""

    @wraps(command)
    def gathered(  # noqa: PLR0913  (click hands over options one by one)
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
        gathered,
        click.option("--language", metavar="CODE", help="A Whisper code such as ru, or auto; else the server's."),
        click.option("--prompt", metavar="TEXT", help="Text that steers spelling and style."),
        click.option("--hotwords", type=Hotwords(), multiple=True, help="Words to favour; may be repeated."),
        click.option("--translate", is_flag=True, help="English, whatever the language spoken."),
        *UTTERANCE_OPTIONS,
    )


def writing_options(command: Command) -> Command:
    """Add what is written and where; the command gets it as `writing`."""

    @wraps(command)
    def gathered(
        *arguments: object,
        output_format: str,
        output: str | None,
        partials: bool | None,
        words: bool,
        copies: bool,
        verbose: bool,
        **others: object,
    ) -> object:
        writing = OutputOptions(output_format, output, partials, words, copies, verbose)
        return command(*arguments, writing=writing, **others)

    return with_options(
        gathered,
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["text", "json", "srt", "vtt"]),
            default="text",
            show_default=True,
            help="json: one object a line, described in docs/recognize.schema.json.",
        ),
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write there; to FOLDER/, one file for each source. An older FILE stays until the text is complete.",
        ),
        click.option(
            "--partials/--no-partials", default=None, help="Show what is being said; if not given: on a terminal."
        ),
        click.option("--words", is_flag=True, help="Tell the words' times, in text and json; text: a line a word."),
        click.option("--copy", "copies", is_flag=True, help="Put each sentence on the clipboard."),
        click.option("-v", "--verbose", is_flag=True, help="Print the model and all suppressed utterances."),
    )
