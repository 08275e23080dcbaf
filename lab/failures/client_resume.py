"""Proves that no word is lost when servers and networks fail: interrupted dictations compared with undisturbed ones.

Kills: the server is killed with SIGKILL at a random moment of each dictation and started again. Cuts: two replicas
behind a proxy that closes the connection twice, after random numbers of bytes. Outage: one long dictation, the server
away for a fifth of it. The audio is sent faster than real time; the server counts audio, not time. Stalls, in real
time: a proxy that forwards nothing for 1 to 20 s, within a word or between two; a stt-cli process that is stopped with
SIGSTOP for 1 to 45 s.

Ends with exit code 1 if a text differs from that of the undisturbed run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from functools import partial
from time import monotonic

from benchmarks.faults.fault_proxy import proxying
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
from benchmarks.faults.stalls import disturbed, stalled_network, stopped_client
from stt_client.events import Final

LEAST_MS = 12_000
SPEED = 6.0
OUTAGE_SPEED = 4.0


async def kills(pcms: Sequence[bytes], undisturbed: Sequence[ClientOutput]) -> Proof:
    proof, chance, server_process = Proof("kill -9 and restart"), random.Random(1), RestartableServer()
    async with running(server_process):
        for pcm, expected in zip(pcms, undisturbed, strict=True):
            output = ClientOutput()
            speaking = asyncio.create_task(dictate(server_process.address, pcm, SPEED, output))
            await asyncio.sleep(chance.uniform(0, seconds(pcm) / SPEED))
            server_process.kill()
            await server_process.start()
            await speaking
            proof.add(expected, output)
            there_s = server_process.listening_s[-1]
            proof.reconnects_s += [each.resumed_s - max(each.lost_s, there_s) for each in output.breaks]
    return proof


async def cuts(pcms: Sequence[bytes], undisturbed: Sequence[ClientOutput]) -> Proof:
    proof, chance, replicas = (
        Proof("connection cut, two replicas"),
        random.Random(2),
        (RestartableServer(), RestartableServer()),
    )
    async with running(*replicas):
        for pcm, expected in zip(pcms, undisturbed, strict=True):
            limits = iter([chance.randint(100, len(pcm)), chance.randint(100, len(pcm))])
            async with proxying([each.address for each in replicas], partial(next, limits, None)) as proxy:
                output = await dictate(proxy.address, pcm, SPEED)
            proof.add(expected, output)
            proof.reconnects_s += [each.resumed_s - each.lost_s for each in output.breaks]
    return proof


async def outage(minutes: float) -> tuple[Proof, str]:
    """Return the result of a dictation of that length with the server away from three tenths to half of it."""
    pcm, server_process = dictation(0, int(minutes * 60_000)), RestartableServer()
    async with running(server_process):
        expected = await dictate(server_process.address, pcm, OUTAGE_SPEED)
        proof, output = Proof("server away for a fifth"), ClientOutput()
        began_s, lasts_s = monotonic(), seconds(pcm) / OUTAGE_SPEED
        speaking = asyncio.create_task(dictate(server_process.address, pcm, OUTAGE_SPEED, output))
        await asyncio.sleep(0.3 * lasts_s)
        server_process.kill()
        await asyncio.sleep(max(0.0, began_s + 0.5 * lasts_s - monotonic()))
        await server_process.start()
        await speaking
    proof.add(expected, output)
    proof.reconnects_s = [each.resumed_s - max(each.lost_s, server_process.listening_s[-1]) for each in output.breaks]
    return proof, describe_outage(output, began_s)


def describe_outage(output: ClientOutput, began_s: float) -> str:
    finals = [event for event in output.events if isinstance(event, Final)]
    backlogs = [
        (at_s, (at_s - began_s) * OUTAGE_SPEED - final.end_ms / 1000)
        for final, at_s in zip(finals, output.finals_s, strict=True)
        if output.breaks and at_s > output.breaks[0].resumed_s
    ]
    worked_off = next((at_s - backlogs[0][0] for at_s, backlog_s in backlogs if backlog_s < OUTAGE_SPEED * 3), None)
    grown_mb = max(output.memory_mb) - output.memory_mb[0]
    return (
        f"Buffered at most {output.max_buffered_ms / 1000:.0f} s of audio, the client's memory grew by {grown_mb:.1f} "
        f"MB; the first final after it was {backlogs[0][1]:.0f} s of audio late, and the backlog was processed "
        + ("never." if worked_off is None else f"{worked_off:.0f} s later.")
    )


async def prove(dictations: int, stalls: int, minutes: float) -> bool:
    """Print the results; return whether nothing was lost."""
    pcms = [dictation(seed, LEAST_MS) for seed in range(max(dictations, stalls))]
    undisturbed = await dictated_alone(pcms)
    proofs, notes = list[Proof](), list[str]()
    if dictations:
        few = pcms[:dictations], undisturbed[:dictations]
        proofs += [await kills(*few), await cuts(*few)]
    if stalls:
        proofs += await stalled(pcms[:stalls], undisturbed[:stalls])
    if minutes:
        proof, note = await outage(minutes)
        proofs.append(proof)
        notes.append(note)
    print(HEAD, *[proof.row() for proof in proofs], *notes, sep="\n")
    return all(proof.identical == proof.dictations for proof in proofs)


async def dictated_alone(pcms: Sequence[bytes]) -> list[ClientOutput]:
    if not pcms:
        return []
    server_process = RestartableServer()
    async with running(server_process):
        return [await dictate(server_process.address, pcm, SPEED) for pcm in pcms]


async def stalled(pcms: Sequence[bytes], undisturbed: Sequence[ClientOutput]) -> list[Proof]:
    server_process = RestartableServer({**SETTINGS, "MAX_STREAMS": "32"})
    async with running(server_process):
        return [
            await disturbed("network stalls", stalled_network, server_process, pcms, undisturbed),
            await disturbed("client stopped", stopped_client, server_process, pcms, undisturbed),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dictations", type=int, default=50, help="Number of kills, and of cuts.")
    parser.add_argument("--stalls", type=int, default=50, help="Number of stalled networks, and of stopped clients.")
    parser.add_argument("--minutes", type=float, default=10, help="Length of the dictation with the outage; 0: none.")
    arguments = parser.parse_args()
    return 0 if asyncio.run(prove(arguments.dictations, arguments.stalls, arguments.minutes)) else 1


if __name__ == "__main__":
    sys.exit(main())
