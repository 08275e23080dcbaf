"""An HTTP proxy in a separate process that records requests and rejects all of them."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PROGRAM = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        sys.stdout.buffer.write(connection.recv(65536).partition(b"\\r\\n")[0] + b"\\n")
        sys.stdout.flush()
"""
END = b"END"


class RecordingProxy:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.address = f"127.0.0.1:{port}"

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that make programs use the proxy."""
        names = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        of_grpc = {
            "GRPC_ADDRESS_HTTP_PROXY": self.address,
            "GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES": "0.0.0.0/0,::/0",
        }
        return dict.fromkeys(names, f"http://{self.address}") | of_grpc | {"no_proxy": "", "NO_PROXY": ""}

    async def requests(self) -> list[bytes]:
        """Return the first line of each connection so far."""
        host, _, port = self.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(END)  # connections are served one at a time, so this one is the last
        await writer.drain()
        writer.close()
        assert self._process.stdout is not None
        lines = list[bytes]()
        while (line := (await self._process.stdout.readline()).rstrip(b"\n")) != END:
            lines.append(line)
        return lines


@asynccontextmanager
async def recording_proxy() -> AsyncIterator[RecordingProxy]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield RecordingProxy(process, int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()
