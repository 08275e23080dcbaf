"""The `info` of this server, by which Home Assistant finds its languages."""

from __future__ import annotations

from collections.abc import Set
from importlib.metadata import version

from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info

PROGRAM = "realtime-stt"  # name of the entity in Home Assistant
VERSION = version("realtime-stt-grpc")
WHISPER = Attribution("OpenAI", "https://github.com/openai/whisper")
CTRANSLATE2 = Attribution("SYSTRAN", "https://github.com/SYSTRAN/faster-whisper")


def describe(model: str, languages: Set[str]) -> Event:
    """Return the `info` event of a server with this model of finals.

    The client ends a command by `audio-stop`, so it needs its own voice activity detection: a pause in a sentence must
    not end the command.
    """
    program = AsrProgram(
        name=PROGRAM,
        attribution=CTRANSLATE2,
        installed=True,
        description="Realtime STT",
        version=VERSION,
        models=[
            AsrModel(
                name=model,
                attribution=WHISPER,
                installed=True,
                description=f"Whisper {model}",
                version=None,
                languages=sorted(languages),
            )
        ],
        supports_transcript_streaming=True,
        requires_external_vad=True,
    )
    return Info(asr=[program]).event()
