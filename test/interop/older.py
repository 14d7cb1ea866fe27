"""kafka-python as a client of an older Kafka: writes with every codec that version knows, or reads a topic, or says its ends.

Prints one JSON object. Debian's python3-kafka; with api_version given it asks in that version's requests.
"""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

bootstrap, version, what, topic = sys.argv[1:5]
api_version = tuple(int(part) for part in version.split("."))

if what == "produce":
    offsets = []
    for codec in [None, "gzip", "snappy", "lz4"]:
        producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=api_version, acks="all",
                                 compression_type=codec, linger_ms=5)
        sent = [producer.send(topic, key=b"key-%d" % n, value=b"%s %s %d" % (version.encode(), (codec or "none").encode(), n),
                              partition=0) for n in range(100)]
        producer.flush(30)
        offsets += [future.get(30).offset for future in sent]
        producer.close()
    print(json.dumps({"offsets": offsets}))
else:
    partition = TopicPartition(topic, 0)
    group = "older-" + version if api_version >= (0, 9) else None
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, api_version=api_version, group_id=group,
                             enable_auto_commit=False, consumer_timeout_ms=3000, check_crcs=True,
                             max_partition_fetch_bytes=int(sys.argv[5]))
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    beginning = consumer.position(partition)
    consumer.seek_to_end(partition)
    end = consumer.position(partition)
    consumer.seek(partition, beginning)
    read = []
    while consumer.position(partition) < end:
        read += [[m.offset, m.key and m.key.decode(), m.value.decode(), m.timestamp]
                 for m in next(iter(consumer.poll(3000, max_records=1000).values()), [])]
    committed = None
    if group is not None:
        consumer.commit()
        committed = consumer.committed(partition)
    print(json.dumps({"beginning": beginning, "end": end, "read": read, "committed": committed}))
