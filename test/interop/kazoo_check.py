"""kazoo and every recipe it has, against a coordination server: ends with 'all good' or a traceback.

python3 kazoo_check.py HOST:PORT CHROOT
"""
import struct
import sys
import threading
import time
from collections import defaultdict, namedtuple
from datetime import timedelta

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError, RolledBackError
from kazoo.protocol.states import EventType
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import ChildrenWatch, DataWatch, PatientChildrenWatch

server, chroot = sys.argv[1:]
hosts = server + chroot
maker = KazooClient(hosts=server)
maker.start(timeout=15)
maker.ensure_path(chroot)
maker.stop()
maker.close()


def started():
    client = KazooClient(hosts=hosts, timeout=4.0)
    client.start(timeout=15)
    return client


def soon(ask):
    until = time.time() + 15
    while time.time() < until:
        if ask():
            return True
        time.sleep(0.02)
    return False


one, two = started(), started()

# nodes
one.ensure_path("/app/config")
assert one.create("/app/a", b"first") == "/app/a"
data, stat = one.get("/app/a")
assert data == b"first" and stat.version == 0 and stat.data_length == 5, (data, stat)
assert one.set("/app/a", b"second").version == 1
for attempt, error in [
    (lambda: one.set("/app/a", b"x", version=7), BadVersionError),
    (lambda: one.create("/app/a", b""), NodeExistsError),
    (lambda: one.get("/nowhere"), NoNodeError),
    (lambda: one.delete("/app"), NotEmptyError),
]:
    try:
        attempt()
        raise SystemExit(f"{error.__name__} was expected")
    except error:
        pass
assert one.create("/app/s-", b"", sequence=True) == "/app/s-0000000002", one.get_children("/app")
assert one.create("/app/s-", b"", sequence=True) == "/app/s-0000000003"
path, stat = one.create("/app/with-stat", b"z", include_data=True)
assert path == "/app/with-stat" and stat.czxid > 0
assert sorted(one.get_children("/app")) == ["a", "config", "s-0000000002", "s-0000000003", "with-stat"]
acls, stat = one.get_acls("/app/a")
assert acls[0].perms == 31 and acls[0].id.scheme == "world"

# ephemerals go with their session
two.create("/app/ephemeral", b"", ephemeral=True)
assert one.exists("/app/ephemeral").ephemeralOwner == two.client_id[0]
gone = threading.Event()
one.exists("/app/ephemeral", watch=lambda event: gone.set())
two.stop()
assert gone.wait(15) and one.exists("/app/ephemeral") is None
two.start(timeout=15)

# transactions are all or nothing
transaction = one.transaction()
transaction.create("/app/t1", b"1")
transaction.set_data("/app/a", b"third")
transaction.check("/app/a", 2)
transaction.delete("/app/with-stat")
results = transaction.commit()
assert results[0] == "/app/t1" and results[1].version == 2 and results[3] is True, results
transaction = one.transaction()
transaction.create("/app/t2", b"1")
transaction.check("/app/a", 99)
results = transaction.commit()
assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError), results
assert one.exists("/app/t2") is None

# watches
seen, children = [], []
DataWatch(two, "/app/watched", func=lambda data, stat, event: seen.append(data))
ChildrenWatch(two, "/app/config", func=lambda names: children.append(sorted(names)))
one.create("/app/watched", b"1")
assert soon(lambda: b"1" in seen), seen
one.set("/app/watched", b"2")
assert soon(lambda: b"2" in seen), seen
one.create("/app/config/x")
assert soon(lambda: ["x"] in children), children

# recipes
lock_one, lock_two = one.Lock("/lock", "one"), two.Lock("/lock", "two")
assert lock_one.acquire(timeout=10)
assert not lock_two.acquire(blocking=False)
lock_one.release()
assert lock_two.acquire(timeout=10)
lock_two.release()

led = []
election = one.Election("/election", "one")
election.run(lambda: led.append("one"))
assert led == ["one"]

queue = one.Queue("/queue")
for n in range(5):
    queue.put(b"%d" % n)
assert [two.Queue("/queue").get() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]

counter = one.Counter("/counter")
counter += 3
other = two.Counter("/counter")
other -= 1
assert counter.value == 2

party_one, party_two = one.Party("/party", "one"), two.Party("/party", "two")
party_one.join()
party_two.join()
assert sorted(party_one) == ["one", "two"]
party_two.leave()
assert soon(lambda: list(party_one) == ["one"])

barrier = one.Barrier("/barrier")
barrier.create()
passed = threading.Event()
threading.Thread(target=lambda: two.Barrier("/barrier").wait(10) and passed.set(), daemon=True).start()
time.sleep(0.2)
assert not passed.is_set()
barrier.remove()
assert passed.wait(10)

# more recipes
semaphore_one, semaphore_two = one.Semaphore("/semaphore", max_leases=1), two.Semaphore("/semaphore", max_leases=1)
assert semaphore_one.acquire(timeout=10)
assert not semaphore_two.acquire(blocking=False)
semaphore_one.release()
assert semaphore_two.acquire(timeout=10)
semaphore_two.release()

entered, left = [], []


def meet(client, name):
    barrier = client.DoubleBarrier("/double", 2)
    barrier.enter()
    entered.append(name)
    barrier.leave()
    left.append(name)


meetings = [threading.Thread(target=meet, args=(client, name), daemon=True) for client, name in ((one, "one"), (two, "two"))]
for meeting in meetings:
    meeting.start()
for meeting in meetings:
    meeting.join(20)
assert sorted(entered) == sorted(left) == ["one", "two"], (entered, left)

locking = one.LockingQueue("/locking")
locking.put_all([b"later", b"sooner"])
locking.put(b"first", priority=1)
assert locking.get(timeout=10) == b"first"
assert locking.consume()
other_queue = two.LockingQueue("/locking")
assert other_queue.get(timeout=10) == b"later"
assert other_queue.holds_lock() and other_queue.release()
assert len(other_queue) == 2, len(other_queue)

read_lock, write_lock = one.ReadLock("/shared", "reader"), two.WriteLock("/shared", "writer")
assert read_lock.acquire(timeout=10)
assert not write_lock.acquire(blocking=False)
read_lock.release()
assert write_lock.acquire(timeout=10)
write_lock.release()

lease = one.NonBlockingLease("/lease", timedelta(minutes=1), identifier="one")
assert lease and not two.NonBlockingLease("/lease", timedelta(minutes=1), identifier="two")

cache, cached = TreeCache(one, "/tree"), []
cache.listen(lambda event: cached.append((event.event_type, getattr(event.event_data, "path", None))))
cache.start()
two.create("/tree/a/b", b"1", makepath=True)
assert soon(lambda: cache.get_data("/tree/a/b") is not None and cache.get_data("/tree/a/b").data == b"1"), cached
two.set("/tree/a/b", b"2")
assert soon(lambda: cache.get_data("/tree/a/b").data == b"2"), cached
two.delete("/tree/a/b")
assert soon(lambda: cache.get_data("/tree/a/b") is None), cached
assert soon(lambda: (TreeEvent.NODE_REMOVED, "/tree/a/b") in cached), cached
cache.close()

one.create("/patient/a", makepath=True)
patient = PatientChildrenWatch(two, "/patient", time_boundary=0.2).start()
names, changed = patient.get(timeout=15)
assert names == ["a"], names
one.create("/patient/b")
assert soon(changed.ready)

shallow = one.ShallowParty("/shallow", "one")
shallow.join()
assert list(two.ShallowParty("/shallow", "two")) == ["one"]
shallow.leave()

several = [client.MultiNonBlockingLease(2, "/leases", timedelta(minutes=1), identifier=name) for client, name in ((one, "a"), (two, "b"), (one, "c"))]
assert [bool(lease) for lease in several] == [True, True, False]

# every member of a set gets its part, and what one leaves the other takes over
items = set(range(6))
parts = {}


def share(client, name, until):
    partitioner = client.SetPartitioner("/partitioned", set=items, time_boundary=0.5, identifier=name)
    while not until.is_set():
        if partitioner.failed:
            raise SystemExit("the partitioner failed")
        if partitioner.release:
            parts.pop(name, None)
            partitioner.release_set()
        elif partitioner.acquired:
            parts[name] = set(partitioner)
            time.sleep(0.05)
        else:
            partitioner.wait_for_acquire(0.2)
    partitioner.finish()
    parts.pop(name, None)


enough = [threading.Event(), threading.Event()]
sharers = [threading.Thread(target=share, args=(client, name, event), daemon=True) for client, name, event in ((one, "one", enough[0]), (two, "two", enough[1]))]
for sharer in sharers:
    sharer.start()
assert soon(lambda: sorted(map(len, parts.copy().values())) == [3, 3] and set().union(*parts.copy().values()) == items), parts
enough[0].set()
assert soon(lambda: parts.get("two") == items), parts
enough[1].set()
for sharer in sharers:
    sharer.join(15)

# Persistent watches: no release of kazoo has them (python-zk/kazoo#715), so kazoo's own connection is given the
# operation, and its table of watchers one that it does not empty.
PERSISTENT, RECURSIVE = 0, 1


class AddWatch(namedtuple("AddWatch", "path mode")):
    type = 106

    def serialize(self):
        path = self.path.encode()
        return struct.pack(f"!i{len(path)}si", len(path), path, self.mode)

    @classmethod
    def deserialize(cls, reply, offset):
        return struct.unpack_from("!i", reply, offset)[0]


class Kept(defaultdict):
    def __init__(self, watcher, below):
        super().__init__(set)
        self.watcher, self.below = watcher, below

    def pop(self, path, default=None):
        found = set(super().pop(path, ()))
        return found | {self.watcher} if path.startswith(self.below) else found


def add_watch(client, path, mode, watcher):
    full = client.chroot + path
    client._data_watchers = Kept(watcher, full)
    # Watchers of both tables are told of a deletion.
    client._child_watchers = Kept(lambda event: event.type == EventType.CHILD and watcher(event), full)
    done = client.handler.async_result()
    client._call(AddWatch(full, mode), done)
    assert done.get(timeout=10) == 0


for mode, expected in (
    (RECURSIVE, ["CREATED /w", "CREATED /w/a", "CHANGED /w/a", "CHANGED /w/a", "CREATED /w/a/b", "DELETED /w/a/b", "DELETED /w/a", "DELETED /w"]),
    (PERSISTENT, ["CREATED /w", "CHILD /w", "CHILD /w", "DELETED /w"]),
):
    watching, events = started(), []
    add_watch(watching, "/w", mode, lambda event: events.append(f"{event.type} {event.path}"))
    one.create("/w")
    one.create("/w/a")
    one.set("/w/a", b"1")
    one.set("/w/a", b"2")
    one.create("/w/a/b")
    one.delete("/w/a/b")
    one.delete("/w/a")
    one.delete("/w")
    assert soon(lambda: len(events) >= len(expected)) and events == expected, events
    watching.stop()
    watching.close()

one.delete("/app", recursive=True)
assert one.exists("/app") is None
one.sync("/")
for client in (one, two):
    client.stop()
    client.close()
print("all good")
