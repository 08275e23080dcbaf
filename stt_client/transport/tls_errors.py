"""Why a connection did not come about: gRPC's words in, a sentence out that says what would do."""

from __future__ import annotations

from stt_client.target import Tls

# What gRPC 1.85 says. The server's own certificate is checked by the client, which knows what is wrong with it; of the
# client's certificate the server says nothing more than that it hangs up.
EXPIRED = "certificate has expired"
EARLY = "certificate is not yet valid"
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "BAD_SIGNATURE")
ANOTHERS = "Hostname Verification Check failed"
NO_TLS = "WRONG_VERSION_NUMBER"
FAILED = "Tls handshake failed"
UNUSABLE = "Failed to create security handshaker"
HUNG_UP = ("Socket closed", "Connection reset", "End of TCP stream")


def explain_connection_failure(address: str, tls: Tls | None, said: str) -> str:
    """Return why nothing that can be talked to answers at the address; `said` is the status of a call there."""
    host = address.rpartition(":")[0].strip("[]")
    if EXPIRED in said:
        return f"the certificate of {address} has expired: its operator has to replace it."
    if EARLY in said:
        return f"the certificate of {address} is not valid yet: is the clock of this machine right?"
    if any(words in said for words in UNTRUSTED):
        return f"the certificate of {address} is signed by nobody trusted here: name its authority with --tls-ca."
    if ANOTHERS in said:
        return f"the certificate of {address} is not for {host}: use the name that stands in it."
    if NO_TLS in said:
        return f"{address} does not speak TLS: leave the --tls options out, or name another port."
    if UNUSABLE in said:
        return (
            "the files of --tls-ca, --tls-cert, --tls-key will not do: they should be PEM, the key the certificate's."
        )
    if FAILED in said:
        return f"TLS with {address} failed: {said.partition(FAILED)[2].strip(' :')}."
    if any(words in said for words in HUNG_UP):
        return f"{address} hangs up: {_wanted(tls)}"
    return f"cannot reach {address}: is stt-server running?"


def _wanted(tls: Tls | None) -> str:
    if tls is None:
        return "if it wants TLS, add --tls, or --tls-ca with its authority."
    if tls.certificate is None:
        return "it wants a client certificate: give one with --tls-cert and --tls-key."
    return f"it does not take the certificate {tls.certificate}: that has expired, or another authority signed it."
