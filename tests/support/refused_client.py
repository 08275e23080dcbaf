"""Calls both services of a server on another host with the given credentials; prints each answer as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc
import grpc.aio
from stt.v1 import control_pb2, control_pb2_grpc

from tests.support.wire_client import Call, config, stub_on


def showing(authority: str, own: str) -> grpc.ChannelCredentials:
    pair = (Path(f"{own}.key").read_bytes(), Path(f"{own}.pem").read_bytes()) if own else (None, None)
    return grpc.ssl_channel_credentials(Path(authority).read_bytes(), *pair)


async def main(host: str, data: str, control: str, token: str, credentials: grpc.ChannelCredentials) -> None:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with (
        grpc.aio.secure_channel(f"{host}:{data}", credentials) as to_data,
        grpc.aio.secure_channel(f"{host}:{control}", credentials) as to_control,
    ):
        call = Call(stub_on(to_data), metadata)
        await call.send(config())
        heard = await call.end()
        said = [response.failure.message for response in heard.responses if response.HasField("failure")]
        print(json.dumps({"status": heard.code.name, "events": heard.kinds, "said": said or [heard.sentence]}))
        asked = control_pb2_grpc.ControlStub(to_control).GetStatus(control_pb2.GetStatusRequest(), metadata=metadata)
        print(json.dumps({"status": (await asked.code()).name, "events": [], "said": [await asked.details()]}))


if __name__ == "__main__":
    host, data, control, token, authority, own = sys.argv[1:]
    asyncio.run(main(host, data, control, token, showing(authority, own)))
