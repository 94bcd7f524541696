"""A connection that is hung up when nothing moves on it: who leaves an answer lying, and who never asks to the end.

The server would wait for them for ever. When a connection ends, what was asked on it frees its places.
"""

import asyncio
from typing import NamedTuple

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

PATIENCE = 30.0  # seconds between two looks at a connection, in which something must have moved


class _Seen(NamedTuple):
    """What a look finds. cycle: the last request, if there was one; answered: whether its answer is written; taken: how
    often all that was written had been taken; left: the bytes that lie here."""

    cycle: RequestResponseCycle | None
    answered: bool
    taken: int
    left: int


class Connection(H11Protocol):
    _taken = 0
    _next: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # what was written is taken before the next part of an answer is made
        self._look(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._taken += 1
        super().resume_writing()

    def _look(self, before: _Seen | None) -> None:
        answered = self.cycle is None or self.cycle.response_complete
        now = _Seen(self.cycle, answered, self._taken, self.transport.get_write_buffer_size())
        if before and before.taken == now.taken and before[:2] == now[:2]:
            left_lying = 0 < before.left <= now.left
            never_asked = answered and now.left == 0
            if left_lying or never_asked:
                self.transport.abort()
                return
        self._next = self.loop.call_later(PATIENCE, self._look, now)
