"""Calls both services of a server on another host with the given credentials; prints each answer as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc
import grpc.aio
from stt.v1 import control_pb2, control_pb2_grpc

from tests.support.clients.wire_client import Call, config, stub_on


def channel_credentials(authority: str, client_files: str) -> grpc.ChannelCredentials:
    pair = (
        (Path(f"{client_files}.key").read_bytes(), Path(f"{client_files}.pem").read_bytes())
        if client_files
        else (None, None)
    )
    return grpc.ssl_channel_credentials(Path(authority).read_bytes(), *pair)


async def main(host: str, data: str, control: str, token: str, credentials: grpc.ChannelCredentials) -> None:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with (
        grpc.aio.secure_channel(f"{host}:{data}", credentials) as to_data,
        grpc.aio.secure_channel(f"{host}:{control}", credentials) as to_control,
    ):
        call = Call(stub_on(to_data), metadata)
        await call.send(config())
        result = await call.end()
        messages = [response.failure.message for response in result.responses if response.HasField("failure")]
        print(json.dumps({"status": result.code.name, "events": result.kinds, "said": messages or [result.message]}))
        call_to_control = control_pb2_grpc.ControlStub(to_control).GetStatus(
            control_pb2.GetStatusRequest(), metadata=metadata
        )
        print(
            json.dumps(
                {"status": (await call_to_control.code()).name, "events": [], "said": [await call_to_control.details()]}
            )
        )


if __name__ == "__main__":
    host, data, control, token, authority, client_files = sys.argv[1:]
    asyncio.run(main(host, data, control, token, channel_credentials(authority, client_files)))
