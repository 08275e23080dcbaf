"""What gRPC says of a connection that did not come about, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_client.target import Tls
from stt_client.transport.channel import explain_connection_failure

VERIFY = "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: "
UNTRUSTED = "the certificate of gpu:8012 is signed by nobody trusted here: name its authority with --tls-ca."
OWN = Tls(certificate=Path("own.pem"))


REASONS = {
    "Connection refused": (None, "cannot reach gpu:8012: is stt-server running?"),
    "": (None, "cannot reach gpu:8012: is stt-server running?"),
    "Socket closed": (None, "gpu:8012 hangs up: if it wants TLS, add --tls, or --tls-ca with its authority."),
    "End of TCP stream": (
        Tls(),
        "gpu:8012 hangs up: it wants a client certificate: give one with --tls-cert and --tls-key.",
    ),
    "recvmsg: Connection reset by peer": (
        OWN,
        "gpu:8012 hangs up: "
        "it does not take the certificate own.pem: that has expired, or another authority signed it.",
    ),
    f"{VERIFY}certificate has expired: OK": (
        Tls(),
        "the certificate of gpu:8012 has expired: its operator has to replace it.",
    ),
    f"{VERIFY}certificate is not yet valid: OK": (
        Tls(),
        "the certificate of gpu:8012 is not valid yet: is the clock of this machine right?",
    ),
    f"{VERIFY}unable to get local issuer certificate: OK": (Tls(), UNTRUSTED),
    "Tls handshake failed: BAD_SIGNATURE": (Tls(), UNTRUSTED),
    "Hostname Verification Check failed.": (
        Tls(),
        "the certificate of gpu:8012 is not for gpu: use the name that stands in it.",
    ),
    "Tls handshake failed: WRONG_VERSION_NUMBER": (
        Tls(),
        "gpu:8012 does not speak TLS: leave the --tls options out, or name another port.",
    ),
    "Tls handshake failed: NO_SHARED_CIPHER": (Tls(), "TLS with gpu:8012 failed: NO_SHARED_CIPHER."),
    "Failed to create security handshaker.": (
        OWN,
        "the files of --tls-ca, --tls-cert, --tls-key will not do: they should be PEM, the key the certificate's.",
    ),
}


@pytest.mark.parametrize(("said", "tls", "told"), [(said, *reason) for said, reason in REASONS.items()])
def test_the_reason_is_told_with_what_would_do(said: str, tls: Tls | None, told: str) -> None:
    assert (
        explain_connection_failure("gpu:8012", tls, f"failed to connect to all addresses; last error: {said}") == told
    )
