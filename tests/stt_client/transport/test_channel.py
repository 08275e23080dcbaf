"""Messages for connection failures, derived from the errors of gRPC."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_client.target import Tls
from stt_client.transport.channel import explain_connection_failure

VERIFY = "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: "
UNTRUSTED = "the certificate of gpu:8012 is not signed by a trusted CA: name its CA with --tls-ca."
OWN = Tls(certificate=Path("own.pem"))


REASONS = {
    "Connection refused": (None, "cannot reach gpu:8012: is stt-server running?"),
    "": (None, "cannot reach gpu:8012: is stt-server running?"),
    "Socket closed": (None, "gpu:8012 closed the connection: if it requires TLS, add --tls, or --tls-ca with its CA."),
    "End of TCP stream": (
        Tls(),
        "gpu:8012 closed the connection: it requires a client certificate: pass one with --tls-cert and --tls-key.",
    ),
    "recvmsg: Connection reset by peer": (
        OWN,
        "gpu:8012 closed the connection: it rejects the certificate own.pem: expired, or signed by another CA.",
    ),
    f"{VERIFY}certificate has expired: OK": (
        Tls(),
        "the certificate of gpu:8012 has expired: ask its operator to renew it.",
    ),
    f"{VERIFY}certificate is not yet valid: OK": (
        Tls(),
        "the certificate of gpu:8012 is not valid yet: is the clock of this machine right?",
    ),
    f"{VERIFY}unable to get local issuer certificate: OK": (Tls(), UNTRUSTED),
    "Tls handshake failed: BAD_SIGNATURE": (Tls(), UNTRUSTED),
    "Hostname Verification Check failed.": (
        Tls(),
        "the certificate of gpu:8012 is not for gpu: use a name that the certificate lists.",
    ),
    "Tls handshake failed: WRONG_VERSION_NUMBER": (
        Tls(),
        "gpu:8012 does not use TLS: remove the --tls options, or name another port.",
    ),
    "Tls handshake failed: NO_SHARED_CIPHER": (Tls(), "TLS with gpu:8012 failed: NO_SHARED_CIPHER."),
    "Failed to create security handshaker.": (
        OWN,
        "invalid files for --tls-ca, --tls-cert, --tls-key: they must be PEM, the key must match.",
    ),
}


@pytest.mark.parametrize(("detail", "tls", "message"), [(detail, *reason) for detail, reason in REASONS.items()])
def test_connection_failure_is_explained_with_a_hint(detail: str, tls: Tls | None, message: str) -> None:
    assert (
        explain_connection_failure("gpu:8012", tls, f"failed to connect to all addresses; last error: {detail}")
        == message
    )
