"""nvidia-riva-client, called as Riva's scripts transcribe_file.py and transcribe_file_offline.py call it.

Usage: ADDRESS RECORDING RUSSIAN FLAC
"""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Callable, Iterable
from pathlib import Path

import grpc
import riva.client
from riva.client.proto import riva_asr_pb2 as rasr

CHUNK_FRAMES = 1600  # default of the scripts
Config = riva.client.RecognitionConfig


def config(language: str = "en-US", **more: object) -> Config:
    """Return the configuration of the scripts: without encoding, rate and number of channels."""
    values = {
        "language_code": language,
        "model": "",
        "max_alternatives": 1,
        "profanity_filter": False,
        "enable_automatic_punctuation": False,
        "verbatim_transcripts": True,
        "enable_word_time_offsets": False,
    }
    return Config(**{**values, **more})


def chunks(file: Path, *, realtime: bool = False) -> Iterable[bytes]:
    """Yield the file from its first byte, at the speed of speech if `realtime`."""
    delay = riva.client.sleep_audio_length if realtime else None
    with riva.client.AudioChunkFileIterator(file, CHUNK_FRAMES, delay) as found:
        yield from found


def streamed(service: riva.client.ASRService, audio: Iterable[bytes], recognition: Config) -> dict[str, object]:
    """Return the results of a stream."""
    streaming = riva.client.StreamingRecognitionConfig(config=recognition, interim_results=True)
    final, interim = [], []
    for response in service.streaming_response_generator(audio_chunks=audio, streaming_config=streaming):
        (result,) = response.results
        (final if result.is_final else interim).append(result)
    return {
        "finals": [result.alternatives[0].transcript for result in final],
        "interim": [result.alternatives[0].transcript for result in interim],
        "stability": [result.stability for result in (*interim, *final)],
        "confidence": [result.alternatives[0].confidence for result in final],
        "processed_s": [result.audio_processed for result in (*interim, *final)],
        "words": [words(result) for result in final],
    }


def offline(service: riva.client.ASRService, audio: bytes, recognition: Config) -> dict[str, object]:
    """Return the results of a recording."""
    results = service.offline_recognize(audio, recognition).results
    return {
        "finals": [result.alternatives[0].transcript for result in results],
        "words": [words(result) for result in results],
    }


def words(result: rasr.SpeechRecognitionResult) -> list[tuple[str, int, int]]:
    return [(word.word, word.start_time, word.end_time) for word in result.alternatives[0].words]


def status(call: Callable[[], object]) -> list[str]:
    """Return the status and the details of a call."""
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


def main(address: str, recording: Path, russian: Path, flac: Path) -> None:
    service = riva.client.ASRService(riva.client.Auth(uri=address))
    boosted = config()
    riva.client.add_word_boosting_to_config(boosted, ["Dashwood"], 20.0)
    ended = config()
    riva.client.add_endpoint_parameters_to_config(ended, -1, -1.0, 500, -1, -1.0, -1.0)
    diarized = config()
    riva.client.add_speaker_diarization_to_config(diarized, True, 2)
    declared = config(encoding=riva.client.AudioEncoding.LINEAR_PCM)
    riva.client.add_audio_file_specs_to_config(declared, recording)
    with wave.open(str(recording), "rb") as file:
        samples = file.readframes(file.getnframes())
    timed = config(enable_word_time_offsets=True)
    listed = service.stub.GetRivaSpeechRecognitionConfig(rasr.RivaSpeechRecognitionConfigRequest()).model_config
    data = recording.read_bytes()
    results = {
        "stream": streamed(service, chunks(recording, realtime=True), timed),
        "default language": streamed(service, chunks(recording), config("")),
        "boosted": streamed(service, chunks(recording), boosted),
        "stop history": streamed(service, chunks(recording), ended),
        "declared file": streamed(service, chunks(recording), declared),
        "declared samples": streamed(
            service, [samples[at : at + 4800] for at in range(0, len(samples), 4800)], declared
        ),
        "russian": streamed(service, chunks(russian), config("ru-RU")),
        "offline": offline(service, data, timed),
        "offline flac": offline(service, flac.read_bytes(), config()),
        "offline samples": offline(service, samples, declared),
        "models": [[model.model_name, model.parameters["type"], model.parameters["language_code"]] for model in listed],
        "errors": {
            "model": status(lambda: offline(service, data, config(model="parakeet"))),
            "language": status(lambda: streamed(service, chunks(recording), config("tlh"))),
            "speakers": status(lambda: streamed(service, chunks(recording), diarized)),
            "flac stream": status(lambda: streamed(service, chunks(flac), config())),
            "not audio": status(lambda: offline(service, b"not audio", config())),
        },
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
