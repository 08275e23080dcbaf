"""The settings of the ports: listen addresses, TLS and authentication of clients."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# An origin as browsers send it: in lower case, without a path. Extensions and desktop apps have schemes of their own.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class NetworkSettings(BaseModel):
    """The settings of the ports. A change needs a restart, except a change of the contents of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_bind: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    allow_insecure: bool = Field(
        False,
        description="Listen on other addresses than loopback without TLS, or without tokens; "
        "allow an unprotected WYOMING_PORT.",
    )
    data_port: int = Field(8012, ge=0, le=65_535, description="Port of SpeechToText, health and reflection; 0 = any.")
    control_port: int = Field(8011, ge=0, le=65_535, description="Port of Control; 0 = any.")
    http_port: int = Field(
        8013, ge=0, le=65_535, description="Port of HTTP: metrics, health probes and APIs (METRICS_PORT too); 0 = any."
    )
    http_surfaces: str = Field(
        "metrics,page,openai",
        pattern=r"^(metrics|page|openai)(,(metrics|page|openai))*$",
        description=(
            "What the HTTP port serves: metrics (with health probes), page (the web page), openai (transcriptions); "
            "with commas."
        ),
    )
    http_allowed_origins: str = Field(
        "",
        description="Origins of web pages that may use the HTTP port, such as https://app.example:8443, with commas; "
        "empty = its own pages.",
    )
    max_upload_mb: int = Field(512, ge=1, le=4096, description="Largest recording that the HTTP port accepts, in MiB.")
    riva: bool = Field(False, description="Serve NVIDIA Riva's speech recognition on DATA_PORT, for its clients.")
    wyoming_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="Port of Wyoming, the protocol of Home Assistant, without TLS and tokens; usually 10300; 0 = off.",
    )
    tls_cert: str = Field(
        "", description="PEM file of the certificate and its chain; TLS is on if it and TLS_KEY are set."
    )
    tls_key: str = Field("", description="PEM file of the certificate's private key.")
    tls_client_ca: str = Field(
        "", description="PEM file of the CAs that sign client certificates; if set, clients must present one."
    )
    auth_tokens_file: str = Field("", description="File of the hashed tokens for clients of the data port.")
    control_tokens_file: str = Field("", description="File of the hashed tokens for clients of Control.")

    @field_validator("http_allowed_origins")
    @classmethod
    def _origins(cls, listed: str) -> str:
        origins = [origin.strip().lower() for origin in listed.split(",")] if listed.strip() else []
        if any(not ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("must be origins without a path, such as https://app.example, separated by commas")
        return ",".join(origins)

    @property
    def is_on_loopback(self) -> bool:
        """Whether the server is reachable from this machine only."""
        try:
            return self.server_bind == "localhost" or ip_address(self.server_bind).is_loopback
        except ValueError:
            return False

    @property
    def missing_protection(self) -> tuple[str, ...]:
        """The protection that each port reachable from other machines lacks; empty on loopback."""
        if self.is_on_loopback:
            return ()
        clients = self.auth_tokens_file or self.tls_client_ca
        data = _missing(
            "DATA_PORT",
            self.tls_cert,
            "" if clients else "tokens (AUTH_TOKENS_FILE) or client certificates (TLS_CLIENT_CA)",
        )
        # One CA signs all client certificates, so a certificate does not make a client an operator.
        control = _missing(
            "CONTROL_PORT", self.tls_cert, "" if self.control_tokens_file else "tokens (CONTROL_TOKENS_FILE)"
        )
        return tuple(filter(None, (data, control)))

    @property
    def wyoming_exposure(self) -> str:
        """Which clients WYOMING_PORT serves without protection, as a sentence without its full stop; empty if none."""
        if not self.wyoming_port:
            return ""
        port = f"WYOMING_PORT={self.wyoming_port} has neither TLS nor tokens"
        if not self.is_on_loopback:
            return f"{port}, so anyone on the network of SERVER_BIND={self.server_bind} can use it"
        required = [name for name in ("auth_tokens_file", "tls_client_ca") if getattr(self, name)]
        return f"{port}, so local clients can use it without {required[0].upper()}" if required else ""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_cert):
            raise ValueError("TLS_CERT and TLS_KEY must be set together, and TLS_CLIENT_CA requires both")
        if self.auth_tokens_file and self.auth_tokens_file == self.control_tokens_file:
            raise ValueError(
                "AUTH_TOKENS_FILE and CONTROL_TOKENS_FILE are the same file: every client could stop the server"
            )
        if self.missing_protection and not self.allow_insecure:
            raise ValueError(
                f"SERVER_BIND={self.server_bind} lets anyone on that network connect: "
                f"{', '.join(self.missing_protection)}; "
                "set them, or ALLOW_INSECURE=true if that is intended, or SERVER_BIND=127.0.0.1"
            )
        if self.wyoming_exposure and not self.allow_insecure:
            raise ValueError(
                f"{self.wyoming_exposure}: set WYOMING_PORT=0, or ALLOW_INSECURE=true if that is intended"
                f"{'' if self.is_on_loopback else ', or SERVER_BIND=127.0.0.1'}"
            )
        return self


def _missing(port: str, tls: str, clients: str) -> str:
    required = [*([] if tls else ["TLS (TLS_CERT, TLS_KEY)"]), *([clients] if clients else [])]
    return f"{port} lacks {' and '.join(required)}" if required else ""
