"""kazoo, by Debian's python3-kazoo, working on an ensemble while it is ill-treated: the workload of
test/support/workload.ts by a foreign client. Writes its history to standard output, one JSON object per line, on the
clock of histories; ends when its standard input does.

    kazoo_workload.py HOSTS NAME KEYS TIMEOUT_SECONDS
"""
import json
import logging
import random
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionLoss,
    NotReadOnlyCallError,
    OperationTimeoutError,
    SessionExpiredError,
    SessionMovedError,
    ZookeeperError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

hosts, name, keys, timeout = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
EXPLAINED = (
    ConnectionLoss,
    SessionExpiredError,
    SessionMovedError,
    OperationTimeoutError,
    NotReadOnlyCallError,
    KazooTimeoutError,
)
logging.basicConfig(level=logging.CRITICAL)

ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()


def now():
    return time.monotonic() * 1000


def tell(**entry):
    print(json.dumps(entry), flush=True)


def answered(*results):
    """The answers of requests under way, and when the last one came; None when one of them failed."""
    try:
        return [result.get(timeout=30) for result in results], now()
    except EXPLAINED:
        return None
    except ZookeeperError as error:
        tell(type="surprise", text=f"{name}: {error!r}")
        return None


forever = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5)
client = KazooClient(hosts=hosts, timeout=timeout, connection_retry=forever)
client.start(timeout=60)
print("connected", flush=True)

held, attempts, written, created, turn = None, 0, 0, 0, 0
while not ended.is_set():
    turn += 1
    if held is not None and client.client_id is not None and client.client_id[0] != held["session"]:
        held["endedAt"] = now()
        tell(**held["entry"], aliveUntil=held["aliveUntil"], endedAt=held["endedAt"])
        held = None
    called = now()
    session = client.client_id[0] if client.client_id else None
    if held is None:
        attempts += 1
        node = f"{name}-{attempts}"
        done = answered(client.create_async(f"/chaos/alive/{node}", b"", ephemeral=True))
        if done is not None and client.client_id is not None and client.client_id[0] == session:
            entry = dict(type="holding", client=name, name=node, sessionId=hex(session), heldFrom=done[1])
            held = dict(session=session, entry=entry, aliveUntil=done[1])
    elif turn % 10 == 0:
        path = "/chaos/alive"
        done = answered(client.sync_async(path), client.get_children_async(path))
        if done is not None:
            tell(type="roll", client=name, names=done[0][1], calledAt=called, returnedAt=done[1])
    elif turn % 3 == 0:
        node = f"{name}-{created}"
        done = answered(client.create_async(f"/chaos/created/{node}", b""))
        tell(
            type="creation",
            client=name,
            number=created,
            name=node,
            calledAt=called,
            returnedAt=None if done is None else done[1],
        )
        created += 1
    elif turn % 3 == 1:
        key, value = str(random.randrange(keys)), f"{name}:{written}"
        written += 1
        done = answered(client.set_async(f"/chaos/registers/{key}", value.encode()))
        tell(
            type="register",
            client=name,
            key=key,
            kind="write",
            value=value,
            calledAt=called,
            returnedAt=None if done is None else done[1],
        )
    else:
        key = str(random.randrange(keys))
        path = f"/chaos/registers/{key}"
        done = answered(client.sync_async(path), client.get_async(path))
        if done is not None:
            value = done[0][1][0].decode()
            tell(
                type="register", client=name, key=key, kind="read", value=value, calledAt=called, returnedAt=done[1]
            )
    if held is not None and done is not None and client.client_id and client.client_id[0] == held["session"]:
        held["aliveUntil"] = max(held["aliveUntil"], called)
    time.sleep(0.005)

if held is not None:
    tell(**held["entry"], aliveUntil=held["aliveUntil"], endedAt=now())
client.stop()
