"""Tells the orchestrator of each attach: `meclab.messages.AttachEvent` over HTTP/1.1 on connections kept open.

A process of its own beside the air (`python -m topologies.notifier`); the air hands it events through a socket and
never waits. Events of one device keep their order; those of others go on over the other connections meanwhile.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections import Counter, deque
from typing import Any

CONNECTIONS = 4
TRIES, FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 20, 0.02, 1.0
ANSWER_S = 2.0
_PATH = "/v1/attachments"


class Connection:
    """One kept-alive connection to the orchestrator; opened anew when the other end closes it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Makes sure that it is open; raises `OSError` where the orchestrator is not there."""
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection(self._host, self._port), ANSWER_S
            )
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; raises `OSError` or `EOFError` where there is none."""
        await self.open()
        assert self._reader is not None and self._writer is not None
        head = f"POST {_PATH} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            return await asyncio.wait_for(self._answer(self._reader), ANSWER_S)
        except BaseException:
            self.close()
            raise

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if "content-length" in fields:
            body = await reader.readexactly(int(fields["content-length"]))
        else:
            body = b""
            if status != 204:
                self.close()
        if fields.get("connection", "").lower() == "close":
            self.close()
        return status, body

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Notifier:
    """Events waiting, and the connections that take them."""

    def __init__(self, host: str, port: int) -> None:
        self._connections = [Connection(host, port) for _ in range(CONNECTIONS)]
        self._waiting: deque[dict[str, Any]] = deque()
        self._under_way: set[str] = set()
        self._arrived = asyncio.Condition()
        self.counters: Counter[str] = Counter()
