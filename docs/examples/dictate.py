"""Prints the text of a WAV file, utterance by utterance; continues on another server if one fails.

python docs/examples/dictate.py talk.wav localhost:8012
"""

import sys
import wave
from collections.abc import Iterator

from stt_client import AudioFormat, Connection, Final, Partial, Settings, StreamOptions, recognize_sync


def chunks(recording: wave.Wave_read) -> Iterator[bytes]:
    while chunk := recording.readframes(recording.getframerate() // 10):
        yield chunk


def main(path: str, server: str) -> None:
    with wave.open(path) as recording:
        audio_format = AudioFormat(recording.getframerate(), recording.getnchannels())
        options = StreamOptions(format=audio_format, settings=Settings(language="en"), partials=True)
        for event in recognize_sync(server, chunks(recording), options):
            match event:
                case Final():
                    print(event.text)
                case Partial():
                    print("…", event.stable + event.unstable, file=sys.stderr)
                case Connection():
                    print(event.state.value, event.message, file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
