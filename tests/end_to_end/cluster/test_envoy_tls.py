"""The two TLS blocks of docs/scaling.md, with real certificates."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path
from shutil import copy
from typing import Any

import grpc
import pytest
import yaml
from grpc import StatusCode

from benchmarks.faults.envoy import balancing
from tests.support.clients.wire_client import Call, config, connected, stub_on
from tests.support.environment.certificates import CertificateAuthority
from tests.support.servers.server_process import COMMON, Server

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"
SETTINGS = {**COMMON, "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}
pytestmark = pytest.mark.model


def add_documented(content: Any, folder: Path) -> None:
    """Add the documented blocks, with the certificates of this folder."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    towards_clients, towards_replicas = [yaml.safe_load(b.replace("/etc/envoy/tls", str(folder))) for b in blocks]
    content["static_resources"]["listeners"][0]["filter_chains"][0].update(towards_clients)
    content["static_resources"]["clusters"][0].update(towards_replicas)


async def test_envoy_uses_tls_to_clients_and_to_replicas(tmp_path: Path) -> None:
    ca = CertificateAuthority(tmp_path)
    certificate = ca.issue("stt", "stt", "localhost")
    for file, name in ((ca.file, "ca.crt"), (certificate.cert_file, "tls.crt"), (certificate.key_file, "tls.key")):
        copy(file, tmp_path / name)
    tls = {"TLS_CERT": str(certificate.cert_file), "TLS_KEY": str(certificate.key_file)}
    with Server({**SETTINGS, **tls}) as server:
        await asyncio.to_thread(server.wait_until_listening)
        async with balancing([server.address], change=partial(add_documented, folder=tmp_path)) as envoy:
            await envoy.until_healthy(1)
            trusted = grpc.ssl_channel_credentials(ca.file.read_bytes())
            async with grpc.aio.secure_channel(f"localhost:{envoy.address.rpartition(':')[2]}", trusted) as channel:
                call = Call(stub_on(channel))
                await call.send(config())
                assert (await call.end()).code is StatusCode.OK
            async with connected(envoy.address) as plain:
                assert (await Call(plain).read_to_end()).code is StatusCode.UNAVAILABLE
