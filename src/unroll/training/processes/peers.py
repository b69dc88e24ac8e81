"""Watches processes that torchrun has started, on any node: if one is lost or fails, all end."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

from torch.distributed.distributed_c10d import Store

ADDRESS_KEY = "unroll/watch"
JOIN_SECONDS = 60.0
"""How long a process may take to reach the first."""

GOOD = 0
"""What a process sends when it has done its work. Otherwise it sends its exit code; a killed one, nothing."""


class Peers:
    """The connections between the first process and each other one. The system closes those of a lost one.

    A process that waits for a lost one may wait for ever, on a GPU. Then this ends it.

    Attributes:
        lost: what has become of a process of the run, and its exit code; None as long as all are well.
    """

    def __init__(
        self, store: Store, rank: int, count: int, grace_s: float, say: Callable[[str, int], None]
    ) -> None:
        self.lost: tuple[str, int] | None = None
        self._rank, self._count, self._grace_s, self._say = rank, count, grace_s, say
        self._over = threading.Event()
        self._links: list[socket.socket] = []
        self._lock = threading.Lock()
        self._agent = os.getppid()
        if rank == 0:
            server = socket.create_server(("", 0))
            store.set(ADDRESS_KEY, str(server.getsockname()[1]))
            self._start(self._accept, server)
        else:
            self._start(self._join, store)
        self._start(self._watch_agent)

    def leave(self, code: int) -> None:
        """Tell the others how this process ends. It is not ended by this any more."""
        self._over.set()
        with self._lock:
            for link in self._links:
                try:
                    link.sendall(bytes([code & 0xFF]))
                except OSError:
                    continue
                finally:
                    link.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        with server:
            for _ in range(self._count - 1):
                link, _ = server.accept()
                self._links.append(link)
                self._start(self._listen, link)

    def _join(self, store: Store) -> None:
        try:
            port = int(store.get(ADDRESS_KEY))
            link = socket.create_connection((os.environ["MASTER_ADDR"], port), timeout=JOIN_SECONDS)
        except (OSError, RuntimeError):
            return  # without the first, the process group cannot be made either
        link.settimeout(None)
        name = socket.gethostname().encode()[:200]
        link.sendall(self._rank.to_bytes(4, "big") + bytes([len(name)]) + name)
        self._links.append(link)
        self._end_after(link, "process 1")

    def _listen(self, link: socket.socket) -> None:
        head = link.recv(5, socket.MSG_WAITALL)
        name = link.recv(head[4], socket.MSG_WAITALL).decode() if len(head) == 5 else "?"
        self._end_after(link, f"process {int.from_bytes(head[:4], 'big') + 1} of {self._count} (on {name})")

    def _end_after(self, link: socket.socket, who: str) -> None:
        """Wait until the process at the other end leaves; if not in good order, end this one too."""
        try:
            said = link.recv(1)
        except OSError:
            said = b""
        if said == bytes([GOOD]) or self._over.is_set():
            return
        self.lost = self.lost or (
            (f"{who} failed with exit code {said[0]}", said[0]) if said else (f"{who} was lost", 1)
        )
        if not self._over.wait(self._grace_s):
            self._say(*self.lost)
            os._exit(self.lost[1])

    def _watch_agent(self) -> None:
        """Save and stop when the agent is gone, which would have ended this process."""
        while not self._over.wait(0.5):
            if os.getppid() != self._agent:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def wait_for_loss(self, seconds: float) -> tuple[str, int] | None:
        """What has become of a lost process, if it becomes known within so many seconds."""
        end = time.monotonic() + seconds
        while self.lost is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.lost
