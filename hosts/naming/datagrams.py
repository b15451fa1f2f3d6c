"""Many datagrams for one system call: recvmmsg(2) and sendmmsg(2) on one socket.

Sender addresses stay what the kernel wrote and are handed back to it as they are: turning them into Python's and
back costs more than answering.
"""

import ctypes
import socket
import struct
from collections.abc import Callable
from errno import EAGAIN, EINTR
from typing import Final

BATCH: Final = 64
_SLOT_BYTES: Final = 4_096
"""Longest datagram that is read whole; a longer one ends there and is therefore no well-formed message."""
_ADDRESS_BYTES: Final = 28
"""`struct sockaddr_in6`; `sockaddr_in` is shorter."""
_IP_IN_ADDRESS = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
_SOCKADDR_BYTES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_SCOPE = struct.Struct("=I")
"""`sin6_scope_id`, at the end of `struct sockaddr_in6`."""
_libc = ctypes.CDLL(None, use_errno=True)
Answer = Callable[[bytes, bytes], bytes | None]
"""From a datagram and the packed address that it came from to the datagram to send back; None for silence, empty
for what somebody else is to answer."""
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Forward = Callable[[bytes, "Datagrams", SocketAddress], None]
"""Takes over a datagram and the address that its answer is to be sent to."""


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """`struct mmsghdr`, the `struct msghdr` in it unrolled."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("received", ctypes.c_uint32),
    )


_RECEIVED_AT = _Message.received.offset // 4
_WORDS = ctypes.sizeof(_Message) // 4


class _Slots:
    """Buffers for a batch in one direction."""

    def __init__(self, addresses: bytearray, address_bytes: int) -> None:
        self.data = bytearray(BATCH * _SLOT_BYTES)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        names = ctypes.addressof(ctypes.c_char.from_buffer(addresses))
        self.vectors = (_Iovec * BATCH)()
        self.messages = (_Message * BATCH)()
        for number, (vector, message) in enumerate(zip(self.vectors, self.messages, strict=True)):
            vector.base, vector.length = start + number * _SLOT_BYTES, _SLOT_BYTES
            message.name, message.name_length = names + number * _ADDRESS_BYTES, address_bytes
            message.vectors, message.vectors_count = ctypes.pointer(vector), 1
        self.lengths = memoryview(self.vectors).cast("B").cast("Q")
        """Base and length of each buffer."""
        self.words = memoryview(self.messages).cast("B").cast("I")
        self.start = ctypes.addressof(self.messages)


class Datagrams:
    """One UDP socket whose datagrams are answered a batch at a time."""

    def __init__(self, sock: socket.socket, answer: Answer, forward: Forward | None = None) -> None:
        self.unsent = 0
        """Answers that the kernel would not send."""
        self.sock = sock
        self._answer = answer
        self._forward = forward
        self._fd = sock.fileno()
        self._ip = _IP_IN_ADDRESS[socket.AddressFamily(sock.family)]
        self._addresses = bytearray(BATCH * _ADDRESS_BYTES)
        address_bytes = _SOCKADDR_BYTES[socket.AddressFamily(sock.family)]
        self._in = _Slots(self._addresses, address_bytes)
        self._out = _Slots(self._addresses, address_bytes)

    def serve_batch(self) -> int:
        """Answers what waits, at most a batch; how many datagrams there were. Never waits."""
        count: int = _libc.recvmmsg(self._fd, ctypes.c_void_p(self._in.start), BATCH, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return 0
        answered = 0
        data, words, addresses, ip = memoryview(self._in.data), self._in.words, self._addresses, self._ip
        out, lengths = self._out.data, self._out.lengths
        for number in range(count):
            start, name = number * _SLOT_BYTES, number * _ADDRESS_BYTES
            query = bytes(data[start : start + words[number * _WORDS + _RECEIVED_AT]])
            answer = self._answer(query, bytes(addresses[name + ip.start : name + ip.stop]))
            if not answer:
                if answer is not None and self._forward:
                    self._forward(query, self, self._socket_address(name))
                continue
            start = answered * _SLOT_BYTES
            out[start : start + len(answer)] = answer
            lengths[2 * answered + 1] = len(answer)
            if answered != number:
                to = answered * _ADDRESS_BYTES
                addresses[to : to + _ADDRESS_BYTES] = addresses[name : name + _ADDRESS_BYTES]
            answered += 1
        self._send(answered)
        return count

    def send(self, datagram: bytes, to: SocketAddress) -> None:
        """Sends one datagram, from the socket's address."""
        try:
            self.sock.sendto(datagram, to)
        except OSError:
            self.unsent += 1

    def _socket_address(self, start: int) -> SocketAddress:
        raw = self._addresses[start : start + _ADDRESS_BYTES]
        port, host = int.from_bytes(raw[2:4], "big"), socket.inet_ntop(self.sock.family, raw[self._ip])
        return (host, port) if self.sock.family == socket.AF_INET else (host, port, 0, _SCOPE.unpack_from(raw, 24)[0])

    def _send(self, count: int) -> None:
        sent = 0
        while sent < count:
            at = ctypes.c_void_p(self._out.start + 4 * _WORDS * sent)
            done = _libc.sendmmsg(self._fd, at, count - sent, socket.MSG_DONTWAIT)
            if done > 0:
                sent += done
                continue
            error = ctypes.get_errno()
            if error == EINTR:
                continue
            if error == EAGAIN:
                self.unsent += count - sent
                return
            self.unsent += 1  # this one cannot be sent; the next may
            sent += 1


def bound(address: str, port: int, receive_bytes: int) -> socket.socket:
    """A UDP socket on one address; raises `OSError`."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.bind((address, port))
    return sock
