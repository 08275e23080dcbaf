"""Compare recognition of recordings: OpenAI's REST API, Recognize, and the batched pipeline of faster-whisper.

    python -m benchmarks.apis.recordings FOLDER             texts over REST and Recognize, and their word errors
    python -m benchmarks.apis.recordings FOLDER --long 600  wall time of 600 s, made of the recordings in FOLDER

FOLDER has a manifest.jsonl like that of tests/recordings. One server with default settings is started. The pipeline
runs in a process of its own, with the same model, beam and quantization, while the server is idle; the systems take
turns. Exit code 1 if a text over REST differs from that of Recognize.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from urllib.request import Request, urlopen
from uuid import uuid4

import grpc
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ
from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import pcm_of
from benchmarks.service import Service
from stt_client.transport.channel import NO_PROXY

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 900.0
MAX_MESSAGE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording and its transcript."""

    path: Path
    language: str
    text: str


def references(folder: Path) -> list[Reference]:
    """Return the recordings in manifest.jsonl of the folder."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [Reference(folder / each["path"], each["language"], each["text"]) for each in map(json.loads, lines)]


def over_rest(server: Service, path: Path, language: str) -> str:
    """Return the text of a recording over /v1/audio/transcriptions."""
    boundary = uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\n{language}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    url = f"http://{server.http_address}/v1/audio/transcriptions"
    request = Request(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  (a loopback address)
        text: str = json.load(response)["text"]
    return text


def over_grpc(server: Service, path: Path, language: str) -> str:
    """Return the text of a recording over Recognize."""
    with grpc.insecure_channel(server.address, NO_PROXY) as channel:
        stub = stt_pb2_grpc.SpeechToTextStub(channel)
        request = pb.RecognizeRequest(audio=path.read_bytes(), settings=pb.Settings(language=language))
        response = stub.Recognize(request, timeout=TIMEOUT_S)
    return " ".join(final.text.strip() for final in response.utterances)


def batched(path: Path, language: str) -> tuple[str, float]:
    """Return the text and the wall time, without loading, of faster-whisper's batched pipeline."""
    command = [sys.executable, "-m", "benchmarks.apis.batched", str(path), language]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True)
    result = json.loads(done.stdout)
    return result["text"], result["seconds"]


def accuracy(server: Service, recordings: list[Reference]) -> tuple[str, bool]:
    """Return a table of word errors by language, and whether all texts over REST equal those of Recognize."""
    rows, same = [], True
    for language in sorted({each.language for each in recordings}):
        chosen = [each for each in recordings if each.language == language]
        texts = [(over_rest(server, each.path, language), over_grpc(server, each.path, language)) for each in chosen]
        words = sum(len(normalize(each.text, language)) for each in chosen)
        rest, recognize = (
            sum(
                count_errors(normalize(each.text, language), normalize(pair[side], language)).count
                for each, pair in zip(chosen, texts, strict=True)
            )
            for side in (0, 1)
        )
        equal = sum(first == second for first, second in texts)
        same &= equal == len(chosen)
        rows.append(
            f"| {language} | {len(chosen)} | {words} | {100 * rest / words:.2f} % | {100 * recognize / words:.2f} % | "
            f"{equal} of {len(chosen)} |"
        )
    return "\n".join(
        ["| language | recordings | words | WER, REST | WER, Recognize | equal texts |", "|-|-|-|-|-|-|", *rows]
    ), same


def long_recording(recordings: list[Reference], language: str, length_s: float, folder: Path) -> tuple[Path, str]:
    """Write a WAV of about this length from recordings of the language; return it and its text."""
    pcm, words = bytearray(), list[str]()
    while len(pcm) < length_s * SAMPLE_RATE_HZ * SAMPLE_BYTES:
        for each in (each for each in recordings if each.language == language):
            pcm += pcm_of(each.path) + bytes(SAMPLE_RATE_HZ * SAMPLE_BYTES)
            words.append(each.text)
            if len(pcm) >= length_s * SAMPLE_RATE_HZ * SAMPLE_BYTES:
                break
    path = folder / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)
    return path, " ".join(words)


def wall_times(
    server: Service, path: Path, language: str, repeat: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the wall times of each system, in turns, and its text."""
    times, texts = {name: list[float]() for name in ("REST", "Recognize", "batched")}, dict[str, str]()
    for _ in range(repeat):
        for name, recognize in (("REST", over_rest), ("Recognize", over_grpc)):
            start_s = monotonic()
            texts[name] = recognize(server, path, language)
            times[name].append(monotonic() - start_s)
        texts["batched"], took_s = batched(path, language)
        times["batched"].append(took_s)
    return times, texts


def timing_table(
    times: Mapping[str, list[float]], texts: Mapping[str, str], reference: str, language: str
) -> Iterator[str]:
    """Yield a table in Markdown."""
    yield "| system | wall time, median | of REST | WER |"
    yield "|---|---|---|---|"
    words = normalize(reference, language)
    for name, taken in times.items():
        errors = count_errors(words, normalize(texts[name], language)).count
        ratio = median(times["REST"]) / median(taken)
        yield f"| {name} | {median(taken):.1f} s | REST takes {ratio:.2f} × | {100 * errors / len(words):.2f} % |"


def main() -> None:
    """Run a measurement."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--long", type=float, help="seconds of a long recording")
    options.add_argument("--language", default="en", help="of the long recording")
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    recordings, same = references(given.folder), True
    with Service({"LANGUAGE": "en", "MAX_STREAMS": "4", "LOG_LEVEL": "warning"}) as server:
        server.wait_until_listening()
        if given.long:
            with TemporaryDirectory() as folder:
                path, text = long_recording(recordings, given.language, given.long, Path(folder))
                print(
                    "\n".join(
                        timing_table(*wall_times(server, path, given.language, given.repeat), text, given.language)
                    )
                )
        else:
            table, same = accuracy(server, recordings)
            print(table)
    sys.exit(not same)


if __name__ == "__main__":
    main()
