"""nvidia-riva-client over TLS with a client certificate, with and without a token.

Usage: ADDRESS CA CERTIFICATE KEY TOKEN RECORDING
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import grpc
import riva.client

CHUNK_FRAMES = 1600


def main(address: str, files: list[str], token: str, recording: Path) -> None:
    ca, cert, key = files
    bearer = [["authorization", f"Bearer {token}"]]
    results = {}
    for name, metadata in (("token", bearer), ("no token", None)):
        auth = riva.client.Auth(
            ssl_root_cert=ca,
            ssl_client_cert=cert,
            ssl_client_key=key,
            use_ssl=True,
            uri=address,
            metadata_args=metadata,
        )
        results[name] = [text_or_status(call, riva.client.ASRService(auth), recording) for call in (stream, offline)]
    print(json.dumps(results))


def text_or_status(call: object, service: riva.client.ASRService, recording: Path) -> str:
    try:
        return call(service, recording)
    except grpc.RpcError as error:
        return error.code().name


def stream(service: riva.client.ASRService, recording: Path) -> str:
    config = riva.client.StreamingRecognitionConfig(config=riva.client.RecognitionConfig())
    with riva.client.AudioChunkFileIterator(recording, CHUNK_FRAMES) as chunks:
        responses = service.streaming_response_generator(audio_chunks=chunks, streaming_config=config)
        return "".join(response.results[0].alternatives[0].transcript for response in responses)


def offline(service: riva.client.ASRService, recording: Path) -> str:
    response = service.offline_recognize(recording.read_bytes(), riva.client.RecognitionConfig())
    return "".join(result.alternatives[0].transcript for result in response.results)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:5], sys.argv[5], Path(sys.argv[6]))
