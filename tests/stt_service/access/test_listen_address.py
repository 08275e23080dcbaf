"""Addresses of ports."""

from __future__ import annotations

import asyncio
import socket

from stt_service.access.listen_address import ListenAddress


async def test_accepted_connections_send_small_messages_at_once() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue(1)
    listening = ListenAddress("HTTP_PORT", "127.0.0.1", 0).listen(backlog=1)
    async with await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), sock=listening):
        _, client = await asyncio.open_connection(*listening.getsockname())
        server_side = await accepted.get()
        assert server_side.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        for writer in (client, server_side):
            writer.close()
            await writer.wait_closed()
