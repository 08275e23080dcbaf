"""Proves that no word is lost and no stream rejected when replicas behind Envoy are restarted one by one, or killed.

Three servers; twelve clients that dictate one recording after the other for as long as it takes. Rolling restart: each
server is drained, awaited, and started again. Kills: a random server is killed with SIGKILL and started again, again
and again. Each text is compared with that of the same dictation undisturbed. No decode shares a batch with another
stream (MAX_BATCH=1), since a barely intelligible word may get another text in another batch.

Ends with exit code 1 if a text differs or a stream was rejected.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.faults.envoy import Envoy, balancing
from benchmarks.faults.interrupted_dictations import (
    HEAD,
    SETTINGS,
    ClientOutput,
    Proof,
    RestartableServer,
    dictate,
    dictation,
    running,
    seconds,
)

MIN_LENGTH_MS = 30_000
# While one is away, two servers can serve all if the streams are spread well; else Envoy tries the other one.
SLOTS = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    replicas: Sequence[RestartableServer]
    envoy: Envoy

    async def wait_until_ready(self) -> None:
        """Wait until Envoy reports all as healthy."""
        await self.envoy.until_healthy(len(self.replicas))


Disturbance = Callable[[Cluster], Awaitable[None]]


@asynccontextmanager
async def cluster(size: int) -> AsyncIterator[Cluster]:
    replicas = [RestartableServer({**SETTINGS, "MAX_BATCH": "1", "MAX_STREAMS": str(SLOTS)}) for _ in range(size)]
    async with running(*replicas), balancing([replica.address for replica in replicas]) as envoy:
        made = Cluster(replicas, envoy)
        await made.wait_until_ready()
        yield made


async def rolling_restart(among: Cluster) -> None:
    for replica in among.replicas:
        replica.drain()
        await replica.ended()
        await replica.start()
        await among.wait_until_ready()


async def kills(among: Cluster, number: int) -> None:
    chance = random.Random(number)
    for _ in range(number):
        await asyncio.sleep(chance.uniform(0, 6))
        killed = chance.choice(among.replicas)
        killed.kill()
        await killed.start()
        await among.wait_until_ready()


async def disturbed(
    among: Cluster, pcms: Sequence[bytes], speed: float, disturb: Disturbance
) -> list[list[ClientOutput]]:
    """Dictate each recording again and again until the disturbance is over; return the events of each."""
    over = asyncio.Event()

    async def speak(pcm: bytes) -> list[ClientOutput]:
        output: list[ClientOutput] = []
        while not over.is_set():
            output.append(await dictate(among.envoy.address, pcm, speed))
        return output

    async with asyncio.TaskGroup() as tasks:
        speaking = [tasks.create_task(speak(pcm)) for pcm in pcms]
        await disturb(among)
        over.set()
    return [task.result() for task in speaking]


async def prove(streams: int, speed: float, rounds: int) -> bool:
    """Print the results; return whether nothing was lost and no stream rejected."""
    pcms = [dictation(seed, MIN_LENGTH_MS) for seed in range(streams)]
    mean_s = seconds(b"".join(pcms)) / streams
    print(f"{streams} streams of {mean_s:.0f} s on average, at {speed:g} times real time", flush=True)
    async with cluster(3) as among:
        undisturbed = await asyncio.gather(*(dictate(among.envoy.address, pcm, speed) for pcm in pcms))
        proofs, rejections = list[Proof](), list[str]()
        for name, disturb in _disturbances(rounds):
            proof = Proof(name)
            for expected, outputs in zip(undisturbed, await disturbed(among, pcms, speed, disturb), strict=True):
                for output in outputs:
                    proof.add(expected, output)
                    proof.reconnects_s += [each.resumed_s - each.lost_s for each in output.breaks]
                    rejections += output.rejections
            proofs.append(proof)
        tried = among.envoy.counted("upstream_rq_retry")
    print(HEAD, *[proof.row() for proof in proofs], sep="\n")
    print(
        f"Streams that Envoy retried on another replica: {tried}. Rejected: {len(rejections)}.", *rejections, sep="\n"
    )
    return not rejections and all(proof.identical == proof.dictations for proof in proofs)


def _disturbances(rounds: int) -> list[tuple[str, Disturbance]]:
    return [
        ("rolling restart of 3 replicas", rolling_restart),
        (f"{rounds} times kill -9 of a replica", lambda among: kills(among, rounds)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--speed", type=float, default=1.0, help="Speed of the audio; 1 is real time.")
    parser.add_argument("--kills", type=int, default=10)
    arguments = parser.parse_args()
    return 0 if asyncio.run(prove(arguments.streams, arguments.speed, arguments.kills)) else 1


if __name__ == "__main__":
    sys.exit(main())
