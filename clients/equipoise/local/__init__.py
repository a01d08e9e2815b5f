"""Jobs and datasets of `Client.local()`: what the service does, in this process and in memory."""

from equipoise.local.transports import AsyncLocalTransport, LocalTransport

__all__ = ["AsyncLocalTransport", "LocalTransport"]
