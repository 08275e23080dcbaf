"""What each API adds to gRPC, measured against the same server in one run."""
