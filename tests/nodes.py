"""Two nodes on one machine: network namespaces with a cable between them, or two agents on the loopback."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from kills import of_two

UNROLL = Path(sys.executable).with_name("unroll")


@contextmanager
def two_nodes():
    """For each node, the words before a command that runs there; and the address of the first."""
    names = [f"unroll{os.getpid()}{letter}" for letter in "ab"]
    plan = [
        *(f"netns add {name}" for name in names),
        f"-n {names[0]} link add cable type veth peer name cable netns {names[1]}",
        *(
            f"-n {name} {what}"
            for number, name in enumerate(names, start=1)
            for what in (f"addr add 10.211.7.{number}/24 dev cable", "link set cable up", "link set lo up")
        ),
    ]
    try:
        if all(subprocess.run(["ip", *line.split()], capture_output=True).returncode == 0 for line in plan):
            yield [["ip", "netns", "exec", name] for name in names], "10.211.7.1"
        else:
            yield [[], []], "127.0.0.1"
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def static(number, address, port):
    return [f"--node-rank={number}", f"--master-addr={address}", f"--master-port={port}"]


def rendezvous(number, address, port, name):
    local = f"10.211.7.{number + 1}" if address != "127.0.0.1" else address
    return [
        *("--rdzv-backend=c10d", f"--rdzv-endpoint={address}:{port}", f"--rdzv-id={name}"),
        *(f"--rdzv-conf=is_host={number == 0}", f"--local-addr={local}"),
    ]


class Agents:
    """Two agents of torchrun, one on each node, and what their processes print.

    With an `elastic` name they can start a run again together; otherwise the first node is fixed.

    Attributes:
        processes: the agents.
        outputs: the files with what a node has printed.
    """

    def __init__(self, nodes, folder, *words, per_node=1, options=(), environment=None, elastic=""):
        prefixes, address = nodes
        on_cable = {"GLOO_SOCKET_IFNAME": "cable"} if prefixes[0] else {}
        self.folder = folder
        self.outputs = [folder / f"out{number}" for number in (0, 1)]
        port = of_two()["MASTER_PORT"]
        self.processes = []
        for number, prefix in enumerate(prefixes):
            command = [
                *(*prefix, sys.executable, "-m", "torch.distributed.run", "--nnodes=2"),
                f"--nproc-per-node={per_node}",
                *(rendezvous(number, address, port, elastic) if elastic else static(number, address, port)),
                *(*options, *map(str, words)),
            ]
            with self.outputs[number].open("w") as out:
                self.processes.append(
                    subprocess.Popen(
                        command,
                        cwd=folder,
                        env={**os.environ, "OMP_NUM_THREADS": "1", **on_cable, **(environment or {})},
                        stdout=out,
                        stderr=subprocess.STDOUT,
                    )
                )

    def wait(self, seconds=300):
        """The exit codes of both."""
        end = time.monotonic() + seconds
        try:
            return [process.wait(max(0.0, end - time.monotonic())) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()

    def text(self):
        return "\n".join(output.read_text() for output in self.outputs)

    def told(self, node):
        """The last lines of Unroll's processes on a node; torchrun adds a report of its own."""
        starts = ("error: ", "stopped by")
        return [line for line in self.outputs[node].read_text().splitlines() if line.startswith(starts)]

    def until(self, words, seconds=120):
        """Wait until something has been printed."""
        end = time.monotonic() + seconds
        while words not in self.text():
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)

    def running(self):
        """The processes of Unroll that are left, by rank."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                inside = (path / "cwd").readlink() == self.folder
                variables = (path / "environ").read_bytes().split(b"\0") if inside else []
            except OSError:
                continue
            ranks = [each[5:] for each in variables if each.startswith(b"RANK=")]
            if ranks and b"TORCHELASTIC_RUN_ID" in b"\0".join(variables):
                found[int(ranks[0])] = int(path.name)
        return found

    def send(self, rank, number=signal.SIGUSR1):
        os.kill(self.running()[rank], number)
