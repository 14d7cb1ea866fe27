"""kazoo, by Debian's python3-kazoo, against a coordination server: ends with 'all good' or a traceback."""
import sys
import threading
import time
from datetime import timedelta

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError, RolledBackError
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import ChildrenWatch, DataWatch

hosts = sys.argv[1]


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

one.delete("/app", recursive=True)
assert one.exists("/app") is None
one.sync("/")
for client in (one, two):
    client.stop()
    client.close()
print("all good")
