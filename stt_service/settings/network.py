"""The settings of the ports: where they listen, and what they ask of who comes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class NetworkSettings(BaseModel):
    """What a port is made of. A change needs a restart, but for what the files hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_bind: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    allow_insecure: bool = Field(
        False, description="Listen on other addresses than loopback without TLS, or without tokens."
    )
    data_port: int = Field(8012, ge=0, le=65_535, description="Port of SpeechToText, health and reflection; 0 = any.")
    control_port: int = Field(8011, ge=0, le=65_535, description="Port of Control; 0 = any.")
    metrics_port: int = Field(
        8013, ge=0, le=65_535, description="Port of /metrics, /healthz and /readyz, over HTTP; 0 = any."
    )
    tls_cert: str = Field("", description="File of the certificate and its chain, PEM; with TLS_KEY it turns TLS on.")
    tls_key: str = Field("", description="File of the certificate's private key, PEM.")
    tls_client_ca: str = Field(
        "", description="File of the authorities that sign clients' certificates, PEM: clients must show one then."
    )
    auth_tokens_file: str = Field("", description="File of the hashed tokens that clients of the data port show.")
    control_tokens_file: str = Field("", description="The same for Control.")

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        try:
            return self.server_bind == "localhost" or ip_address(self.server_bind).is_loopback
        except ValueError:
            return False

    @property
    def missing_protection(self) -> tuple[str, ...]:
        """Return what the ports that others reach lack; empty where nobody does."""
        if self.is_on_loopback:
            return ()
        clients = self.auth_tokens_file or self.tls_client_ca
        data = _lacking(
            "DATA_PORT",
            self.tls_cert,
            "" if clients else "tokens (AUTH_TOKENS_FILE) or client certificates (TLS_CLIENT_CA)",
        )
        # One authority signs all clients, so a certificate makes nobody an operator.
        control = _lacking(
            "CONTROL_PORT", self.tls_cert, "" if self.control_tokens_file else "tokens (CONTROL_TOKENS_FILE)"
        )
        return tuple(filter(None, (data, control)))

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_cert):
            raise ValueError("TLS_CERT and TLS_KEY belong together, and TLS_CLIENT_CA needs them: set both, or none")
        if self.auth_tokens_file and self.auth_tokens_file == self.control_tokens_file:
            raise ValueError(
                "AUTH_TOKENS_FILE and CONTROL_TOKENS_FILE are one file: who dictates could stop the server"
            )
        if self.missing_protection and not self.allow_insecure:
            raise ValueError(
                f"SERVER_BIND={self.server_bind} lets anybody on that network connect: "
                f"{', '.join(self.missing_protection)}; "
                "set them, or ALLOW_INSECURE=true if that is meant, or SERVER_BIND=127.0.0.1"
            )
        return self


def _lacking(port: str, tls: str, clients: str) -> str:
    wanted = [*([] if tls else ["TLS (TLS_CERT, TLS_KEY)"]), *([clients] if clients else [])]
    return f"{port} lacks {' and '.join(wanted)}" if wanted else ""
