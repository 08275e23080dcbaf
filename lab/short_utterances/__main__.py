"""Utterances of one to three words: a server at default settings compared with faster-whisper with full windows.

`python -m lab.short_utterances [--language en] [--limit N] [--variants plain,prompt]`: each utterance is streamed
alone, with 1 s of silence before it and 2.5 s after it. Variants: plain; prompt and hotwords, which are unrelated to
most of the utterances; noise, pink at -50 dBFS; auto, the language is detected after a sentence in that language. The
recordings are downloaded on first use (about 37 MB, with apt-get) and cached, as are faster-whisper's transcripts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

import grpc.aio

from benchmarks.harness.channels import channel_to
from benchmarks.service import Service
from lab.short_utterances.manifest import LANGUAGES, ShortUtterance, load, spread
from lab.short_utterances.outcome import Outcome, classify
from lab.short_utterances.recordings import RecordingsError, cache_folder, pcm
from lab.short_utterances.reference import Reference
from lab.short_utterances.report import Result, table
from lab.short_utterances.streamed import stream
from lab.short_utterances.variants import VARIANTS, Variant, lead, padded

QUIET = {"LOG_LEVEL": "warning"}  # all other settings have their defaults


def main() -> int:
    """Measure, print, return the exit code."""
    options = _options()
    languages = [options.language] if options.language else LANGUAGES
    chosen = [
        one
        for language in languages
        for one in spread([each for each in load() if each.language == language], options.limit)
    ]
    try:
        results = asyncio.run(_results(chosen, [VARIANTS[name] for name in options.variants]))
    except RecordingsError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        print(*(result for result in results if result.outcome != Outcome.EXACT.value), sep="\n", end="\n\n")
    if options.json:
        lines = [json.dumps(asdict(result), ensure_ascii=False) for result in results]
        options.json.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(table(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lab.short_utterances", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--language", choices=LANGUAGES, help="only this language")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N utterances of each language, evenly spread")
    parser.add_argument(
        "--variants", type=_variants, default=["plain", "prompt"], metavar="NAMES",
        help=f"comma-separated, of {', '.join(VARIANTS)}; plain,prompt by default",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a JSON line for each utterance and variant")
    parser.add_argument("--list", action="store_true", help="print each utterance that is not exact")
    return parser.parse_args()


def _variants(names: str) -> list[str]:
    chosen = names.split(",")
    if unknown := [name for name in chosen if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"unknown variants {', '.join(unknown)}: must be of {', '.join(VARIANTS)}")
    return chosen


async def _results(chosen: Sequence[ShortUtterance], variants: Sequence[Variant]) -> list[Result]:
    audio = [pcm(utterance) for utterance in chosen]  # before the server starts: they may be missing
    reference = Reference(cache_folder() / "faster-whisper.jsonl")
    with Service(QUIET) as service:
        service.wait_until_listening()
        async with channel_to(service.address) as channel:
            return [
                result
                for variant in variants
                async for result in _recognized(channel, chosen, audio, variant, reference)
            ]


async def _recognized(
    channel: grpc.aio.Channel,
    chosen: Sequence[ShortUtterance],
    audio: Sequence[bytes],
    variant: Variant,
    reference: Reference,
) -> AsyncIterator[Result]:
    for utterance, samples in zip(chosen, audio, strict=True):
        whole = padded(samples, variant)
        got = await stream(channel, lead(utterance.language, variant), whole, utterance.language, variant)
        theirs = reference.transcribe(whole, utterance.language, variant)  # blocks: nothing else runs meanwhile
        yield Result(
            name=utterance.name,
            language=utterance.language,
            variant=variant.name,
            reference=utterance.text,
            text=got.text,
            outcome=classify(got.text, utterance.accepted, suppressed=bool(got.reasons)).value,
            reasons=tuple(got.reasons),
            suppressed_texts=tuple(got.suppressed_texts),
            languages=tuple(got.languages),
            inference_ms=1000 * got.inference_s if got.texts else None,
            faster_whisper=theirs,
            faster_whisper_outcome=classify(theirs, utterance.accepted).value,
        )


if __name__ == "__main__":
    sys.exit(main())
