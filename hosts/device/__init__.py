"""What runs on a device: probes, the client's session, the stub resolver, and how the client finds its server.

State machines without sockets (`session`, `lookup`, `stub`, `notices`, `discovery`), and the sockets under them.
"""
