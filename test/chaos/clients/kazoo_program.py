"""A program as people write them with kazoo: it holds an ephemeral node, keeps a watch on /programs/beat, and counts
in a node of its own. Says on standard output, one JSON object per line, what befalls it. Ends when its standard input does.

    kazoo_program.py HOSTS NAME TIMEOUT_SECONDS
"""
import json
import logging
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

hosts, name, timeout = sys.argv[1], sys.argv[2], float(sys.argv[3])
logging.basicConfig(level=logging.CRITICAL)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()


telling = threading.Lock()  # Watches and states come on kazoo's own threads.


def tell(**entry):
    with telling:
        print(json.dumps(entry), flush=True)


client = KazooClient(hosts=hosts, timeout=timeout, connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5))
client.add_listener(
    lambda state: tell(event={KazooState.CONNECTED: "connected", KazooState.SUSPENDED: "lost"}.get(state, "expired"))
)
client.start(timeout=60)
patient = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5)
patient(client.create, f"/programs/alive/{name}", b"", ephemeral=True)
patient(client.create, f"/programs/count-{name}", b"0")


@client.DataWatch("/programs/beat")
def beat(data, stat):
    if data is not None:
        tell(event="beat", number=int(data))


tell(event="ready", session=hex(client.client_id[0]))
count = 0
while not ended.is_set():
    try:
        client.set(f"/programs/count-{name}", str(count + 1).encode())
        count += 1
        tell(event="counted", number=count)
    except (KazooException, KazooTimeoutError):
        time.sleep(0.05)
    time.sleep(0.02)
client.stop()
