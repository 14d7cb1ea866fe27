/**
 * One cluster of a broker of ours and one of Apache Kafka 3.9.1: each follows the other in incremental fetch
 * sessions, gets into the ISR, and what is acknowledged by both is read from both.
 */
import { afterAll, expect, test } from '@jest/globals';
import { findApacheKafka, startApacheBroker } from '../support/apache-kafka.ts';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { eventually, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
const kafka = findApacheKafka();
const RACK_AWARE = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';

if (typeof kafka === 'string') console.warn(`skipped: ${kafka}`);
afterAll(() => workspace.dispose());

(typeof kafka === 'string' ? test.skip : test)(
  'we and Apache Kafka follow each other, and consumers read from the follower',
  async () => {
    if (typeof kafka === 'string') return;
    const coordinator = await startCoordinator(workspace);
    const rack = (name: string) => ({ 'broker.rack': name, 'replica.selector.class': RACK_AWARE });
    const ours = await startBroker(workspace, 1, coordinator.connect, rack('ours'));
    const theirs = await startApacheBroker(
      workspace,
      kafka,
      2,
      coordinator.connect,
      rack('theirs'),
    );
    const bootstrap = `${ours.address},${theirs.address}`;
    for (const [topic, replicas] of [
      ['led-by-us', '1:2,1:2,1:2'],
      ['led-by-them', '2:1,2:1,2:1'],
    ] as const) {
      const created = await workspace.tool('kafka-topics', [
        ...['--create', '--bootstrap-server', bootstrap, '--topic', topic],
        ...['--replica-assignment', replicas, '--config', 'min.insync.replicas=2'],
      ]);
      expect(created).toMatchObject({ code: 0 });
      const lines = Array.from({ length: 500 }, (_, n) => `${topic} ${n} ${'x'.repeat(500)}`);
      const write = () =>
        workspace.run('kcat', ['-b', bootstrap, '-P', '-t', topic, '-X', 'acks=all'], {
          input: `${lines.join('\n')}\n`,
        });
      await eventually('both replicas are in sync', async () => (await write()).code === 0);
      expect(await write()).toMatchObject({ code: 0 });
      for (const where of ['ours', 'theirs']) {
        // A follower learns a moment later how far it may be read.
        await eventually(`all is read from ${where}`, async () => {
          const read = await workspace.run('kcat', [
            ...['-b', bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q'],
            ...['-X', `client.rack=${where}`],
          ]);
          const seen = read.stdout.trimEnd().split('\n');
          return seen.length >= 2 * lines.length && new Set(seen).size === lines.length;
        });
      }
    }
  },
);
