"""A grpc.aio server that no method name can stop.

grpcio 1.85 decodes the name of an unknown method in the loop that accepts calls. One call whose :path is not UTF-8 ends
that loop, and with it the server: no token is needed. So calls of unknown methods are accepted under the name UNKNOWN
here, and their own name is never decoded. Older versions decode it where the failure ends the call only.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, cast

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs lack it

SERVICE, METHOD = secrets.token_hex(16), "unknown"  # a call of that very name would not be accepted
UNKNOWN = f"/{SERVICE}/{METHOD}"
_ACCEPT = "_make_request_call_future"  # of AioServer, private: where it is missing, it is not needed either


async def _unimplemented(_messages: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


UNIMPLEMENTED = grpc.stream_stream_rpc_method_handler(_unimplemented)


def new_server(interceptors: Sequence[object], options: Sequence[tuple[str, object]]) -> grpc.aio.Server:
    """Return a server. Methods have to be registered, as generated code does; generic handlers are not found."""
    create = cast("Any", grpc.aio.server)
    if not hasattr(cygrpc.AioServer, _ACCEPT):
        return cast("grpc.aio.Server", create(interceptors=interceptors, options=options))
    plain = cygrpc.AioServer
    cygrpc.AioServer = _named(plain)
    try:
        server = create(interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = plain
    server.add_registered_method_handlers(SERVICE, {METHOD: UNIMPLEMENTED})
    return cast("grpc.aio.Server", server)


def _named(base: Any) -> Any:
    class Named(base):  # type: ignore[misc]  # the class is not known to the stubs
        """Accepts calls of unknown methods in place of those of UNKNOWN."""

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
            if method is None:
                return asyncio.get_running_loop().create_future()  # pending until the server stops
            if method == UNKNOWN.encode():
                return cast("asyncio.Future[Any]", asyncio.ensure_future(self._request_call()))
            return cast("asyncio.Future[Any]", super()._make_request_call_future(method))

    return Named
