"""The HTTP port: metrics, health probes and the APIs of other speech services. Adapters only translate."""
