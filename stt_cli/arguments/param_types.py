"""Parameter types of options: addresses, raw formats, lists, numbers. Imports only click and value types."""

from __future__ import annotations

import math
import re

import click

from stt_client.events import AudioFormat, Encoding

DEFAULT_PORT = 8012
CONTROL_PORT = 8011
HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]\s/]+)(?::(\d+))?")
IPV6 = re.compile(r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
RAW_FORMAT = re.compile(r"(\d+)(?::(\d+)(?::(\w+))?)?")


class ServerAddress(click.ParamType[str]):
    name = "HOST[:PORT]"

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        self._port = port

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return HOST:PORT, with the default port if none is given."""
        match = HOST_PORT.fullmatch(f"[{value}]" if IPV6.fullmatch(value) else value)
        port = int(match[2] or self._port) if match else 0
        if match is None or not 0 < port < 65_536:
            self.fail(f"Invalid address {value!r}: must be HOST or HOST:PORT.", param, ctx)
        return f"{match[1]}:{port}"


class ServerAddresses(click.ParamType[tuple[str, ...]]):
    name = "HOST[:PORT][,…]"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return one or more HOST:PORT, in the given order."""
        if isinstance(value, tuple):
            return value
        return tuple(ServerAddress().convert(address.strip(), param, ctx) for address in value.split(","))


class RawFormat(click.ParamType[AudioFormat]):
    name = "RATE[:CHANNELS[:ENCODING]]"

    def convert(
        self, value: str | AudioFormat, param: click.Parameter | None, ctx: click.Context | None
    ) -> AudioFormat:
        if isinstance(value, AudioFormat):
            return value
        match = RAW_FORMAT.fullmatch(value.lower())
        encodings = [encoding.value for encoding in Encoding]
        if match is None or (match[3] or "s16le") not in encodings:
            valid = ", ".join(encodings)
            message = f"Invalid format {value!r}: must be {self.name}, such as 16000 or 48000:2:f32le ({valid})."
            self.fail(message, param, ctx)
        rate_hz, channels = int(match[1]), int(match[2] or 1)
        if not (8_000 <= rate_hz <= 192_000 and 1 <= channels <= 32):
            self.fail(f"Invalid format {value!r}: must have 8000 to 192000 Hz and 1 to 32 channels.", param, ctx)
        return AudioFormat(rate_hz, channels, Encoding(match[3] or "s16le"))


class Hotwords(click.ParamType[tuple[str, ...]]):
    name = "WORD[,WORD…]"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())


class Number(click.FloatRange):
    """A number in a range. Unlike FloatRange, it rejects `nan`."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not in the range {self.min:g}<=x<={self.max:g}.", param, ctx)
        return number
