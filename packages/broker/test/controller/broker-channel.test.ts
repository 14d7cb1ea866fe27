/** The controller's line to a broker: order, one in flight, repetition, merging, and its bound. */
import { expect, test } from '@jest/globals';
import type { Log } from '@odradek/runtime';
import { BrokerChannel } from '../../src/controller/broker-channel.ts';
import type {
  AddressedRequest,
  ControlRequest,
  PartitionAnnouncement,
} from '../../src/core/controller/control-batch.ts';
import { ManualTime } from '../manual-time.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

class Line {
  readonly time = new ManualTime();
  readonly delivered: ControlRequest[] = [];
  overflows = 0;
  warnings = 0;
  /** Ends the delivery that is under way. */
  answer: (error?: Error) => void = () => undefined;
  readonly channel: BrokerChannel;

  constructor() {
    const silent = () => undefined;
    const log: Log = {
      error: silent,
      warn: () => {
        this.warnings += 1;
      },
      info: silent,
      debug: silent,
      child: () => log,
    };
    this.channel = new BrokerChannel({
      brokerId: 2,
      transport: {
        deliver: ({ request }) => {
          this.delivered.push(request);
          return new Promise((resolve, reject) => {
            this.answer = (error) => (error === undefined ? resolve() : reject(error));
          });
        },
        close: silent,
      },
      ...this.time,
      log,
      onOverflow: () => {
        this.overflows += 1;
      },
    });
  }

  send(request: ControlRequest): void {
    const addressed: AddressedRequest = { brokerId: 2, brokerEpoch: 1, request };
    this.channel.send(addressed);
  }
}

const announced = (topic: string, leader: number): PartitionAnnouncement => ({
  topic,
  partition: 0,
  topicId: null,
  replicas: [1],
  offlineReplicas: [],
  state: {
    leader,
    leaderEpoch: 0,
    isr: [1],
    leaderRecoveryState: 0,
    controllerEpoch: 1,
    partitionEpoch: 0,
  },
});
const update = (...partitions: PartitionAnnouncement[]): ControlRequest => ({
  kind: 'updateMetadata',
  controllerEpoch: 1,
  partitions,
  liveBrokers: [],
});
const stop: ControlRequest = { kind: 'stopReplica', controllerEpoch: 1, partitions: [] };

test('one at a time, in order', async () => {
  const line = new Line();
  line.send(stop);
  line.send(update());
  expect(line.delivered).toEqual([stop]);
  line.answer();
  await settled();
  expect(line.delivered).toEqual([stop, update()]);
});

test('what fails is sent again after a pause, before anything later', async () => {
  const line = new Line();
  line.send(stop);
  line.send(update());
  for (let failures = 0; failures < 12; failures += 1) {
    line.answer(new Error('refused'));
    await settled();
    line.time.pass(99);
    expect(line.delivered).toHaveLength(failures + 1);
    line.time.pass(1);
    expect(line.delivered).toHaveLength(failures + 2);
  }
  expect(new Set(line.delivered)).toEqual(new Set([stop]));
  expect(line.warnings).toBe(1);
});

test('announcements that wait behind each other become one, the later word counts', async () => {
  const line = new Line();
  line.send(update(announced('a', 1)));
  line.send(update(announced('a', 2), announced('b', 1)));
  line.send(update(announced('b', 3)));
  line.send(stop);
  line.send(update(announced('b', 4)));
  for (let sent = 0; sent < 4; sent += 1) {
    line.answer();
    await settled();
  }
  expect(line.delivered).toEqual([
    update(announced('a', 1)),
    update(announced('a', 2), announced('b', 3)),
    stop,
    update(announced('b', 4)),
  ]);
});

test('beyond its bound the line is emptied and everything is told anew', async () => {
  const line = new Line();
  for (let count = 0; count < 2_001; count += 1) line.send(stop);
  expect(line.overflows).toBe(1);
  line.answer();
  await settled();
  expect(line.delivered).toEqual([stop]); // The one in flight was all that was left.
  line.send(update());
  expect(line.delivered).toHaveLength(2);
});

test('nothing leaves a closed line', async () => {
  const line = new Line();
  line.send(stop);
  line.send(stop);
  line.channel.close();
  line.answer(new Error('closed'));
  await settled();
  line.time.pass(1_000);
  line.send(stop);
  expect(line.delivered).toEqual([stop]);
  expect(line.time.armedCount).toBe(0);
});
