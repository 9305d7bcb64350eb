"""Small files from a server on loopback that answers after 50 ms: hetero's own server, in a process of its own.

Everybody opens as many connections as there are files. hetero's time is that of its mode `async`.
"""

import asyncio
import os
import subprocess
import threading

from case import DATA, WHOLE, Case

LATENCY_MS, SIZE = 50, 1000

# Built with `cargo build --release --example loopback_server`.
SERVER = os.environ.get("HETERO_SERVER", "target/release/examples/loopback_server")

PORT = 18765


# The server ends when its input does: kept open for as long as this process lives.
running = []


def serve():
    """Starts the server unless it runs already."""
    if not running:
        command = [SERVER, str(PORT), str(LATENCY_MS), str(SIZE)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        running[0].stdout.readline()


def urls(count):
    return [f"http://127.0.0.1:{PORT}/files/{i}" for i in range(count)]


def prepare(count):
    def make():
        os.makedirs(DATA, exist_ok=True)
        with open(f"{DATA}/urls-{count}.txt", "w") as file:
            file.write("\n".join(urls(count)))
        try:
            serve()
        except FileNotFoundError:
            raise SystemExit(f"{SERVER} is missing; build it with: cargo build --release --example loopback_server")

    return make


def aiohttp_all(count, limit):
    def peer():
        import aiohttp

        async def one(session, url):
            async with session.get(url) as answer:
                return len(await answer.read())

        async def everything():
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit)) as session:
                return sum(await asyncio.gather(*[one(session, url) for url in urls(count)]))

        def call():
            assert asyncio.run(everything()) == SIZE * count

        return {WHOLE: call}, 1

    return peer


def requests_threads(count):
    def peer():
        import requests

        def call():
            got = []
            threads = [threading.Thread(target=lambda url=url: got.append(len(requests.get(url).content))) for url in urls(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sum(got) == SIZE * count

        return {WHOLE: call}, 1

    return peer


def case(count, goal):
    return Case(
        "fetch",
        str(count),
        ["run", "fetch", "--urls", f"{DATA}/urls-{count}.txt", "--mode", "async", "--concurrency", str(count), "--runs", "1"],
        lambda report: {WHOLE: report["result"]["modes"]["async"]["seconds"]},
        {WHOLE: goal},
        {
            "aiohttp, no limit": aiohttp_all(count, 0),
            "aiohttp, limit 100": aiohttp_all(count, 100),
            "requests, a thread each": requests_threads(count),
        },
        prepare=prepare(count),
        pin=False,
    )


CASES = [case(200, None), case(1000, 0.35)]
