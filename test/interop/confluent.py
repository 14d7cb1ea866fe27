"""librdkafka, by Debian's python3-confluent-kafka, against a cluster: prints one JSON object of what it saw."""
import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, topic = sys.argv[1:3]
EACH = 200
produced = 0
failures = []


def delivered(error, _message):
    global produced
    if error is None:
        produced += 1
    else:
        failures.append(str(error))


for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 5,
    })
    for n in range(EACH):
        producer.produce(topic, key=f"key-{n % 13}", value=f"{codec} {n}",
                         headers=[("n", str(n)), ("codec", codec)], on_delivery=delivered)
        producer.poll(0)
    producer.flush(60)


def consumer():
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "confluent-group",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 10000,
    })


members = [consumer(), consumer()]
for member in members:
    member.subscribe([topic])
seen = {}
headers = None
busy = set()
deadline = time.time() + 60
# Both members must own partitions before reading starts to count: the group rebalances when the second one joins.
while time.time() < deadline and not all(len(member.assignment()) == 2 for member in members):
    for member in members:
        message = member.poll(0.1)
        if message is not None and message.error() is None:
            seen[(message.partition(), message.offset())] = message.value()
            headers = headers or [name for name, _ in message.headers()]
while time.time() < deadline and len(seen) < 5 * EACH:
    for index, member in enumerate(members):
        message = member.poll(0.1)
        if message is None:
            continue
        if message.error() is not None:
            failures.append(str(message.error()))
            continue
        seen[(message.partition(), message.offset())] = message.value()
        headers = headers or [name for name, _ in message.headers()]
assigned = sum(1 for member in members if len(member.assignment()) == 2)
for member in members:
    owned = member.assignment()
    positions = [TopicPartition(topic, p.partition, max([o for (q, o) in seen if q == p.partition], default=-1) + 1)
                 for p in owned]
    member.commit(offsets=positions, asynchronous=False)
for member in members:
    member.close()

later = consumer()
committed = sum(p.offset for p in later.committed([TopicPartition(topic, p) for p in range(4)], timeout=30))
later.subscribe([topic])
again = 0
until = time.time() + 5
while time.time() < until:
    message = later.poll(0.2)
    if message is not None and message.error() is None:
        again += 1
later.close()
for failure in failures:
    print(failure, file=sys.stderr)
print(json.dumps({"produced": produced, "consumed": len(seen), "headers": headers, "members": assigned,
                  "committed": committed, "again": again}))
