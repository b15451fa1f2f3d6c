"""The lowered program as C for eBPF."""

from dataplane.compiler.emitter.program import emit

__all__ = ["emit"]
