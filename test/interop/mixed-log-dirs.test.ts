/**
 * One broker of ours and one of Apache Kafka's in a cluster, two log directories each, and disks that break: the
 * controller of either kind learns of a failed directory of the other and hands over what was led in it.
 */
import { afterAll, expect, test } from '@jest/globals';
import { Kafka, type PartitionDescription } from '@odradek/client';
import { KafkaError } from '@odradek/protocol';
import { type ApacheKafka, findApacheKafka, startApacheBroker } from '../support/apache-kafka.ts';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { failingDisk } from '../support/failing-disk.ts';
import { buildPreload } from '../support/preload.ts';
import { eventually, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
const apache = findApacheKafka();
const built = buildPreload(workspace, 'failing-disk');
const refused = typeof apache === 'string' ? apache : 'refused' in built ? built.refused : null;
if (refused !== null) console.warn(`skipped: ${refused}`);
const maybe = refused === null ? test : test.skip;
const library = 'library' in built ? built.library : '';
afterAll(() => workspace.dispose());

const OURS = 0;
const THEIRS = 1;
const directory = (id: number, name: string): string => workspace.path(`broker-${id}-${name}`);

maybe.each([
  { controller: 'Apache Kafka’s', first: THEIRS, failing: OURS },
  { controller: 'ours', first: OURS, failing: THEIRS },
])(
  '$controller controls: what is led in a failed directory of the other is handed over',
  async ({ first, failing }) => {
    const coordinator = await startCoordinator(workspace);
    const disk = failingDisk(workspace, library, `broker-${failing}`);
    const suffix = `${first}`;
    const start = async (id: number) => {
      const settings = {
        'log.dirs': `${directory(id, `a${suffix}`)},${directory(id, `b${suffix}`)}`,
        'auto.leader.rebalance.enable': 'false',
      };
      const environment = id === failing ? disk.environment : {};
      return id === OURS
        ? await startBroker(workspace, id, coordinator.connect, settings, undefined, environment)
        : await startApacheBroker(
            workspace,
            apache as ApacheKafka,
            id,
            coordinator.connect,
            settings,
            {
              heap: '256m',
              environment,
            },
          );
    };
    // Who is first becomes the controller.
    const brokers = [await start(first), await start(failing)];
    const kafka = new Kafka({ coordinator: coordinator.connect, clientId: 'mixed' });
    const admin = kafka.admin();
    // All of them are led by the one that will fail.
    await admin.createTopic({ name: 't', assignments: Array(4).fill([failing, first]) });
    const partitions = async (): Promise<readonly PartitionDescription[]> => {
      const [described] = await admin.describeTopics(['t']);
      if (described === undefined || described instanceof KafkaError) throw described;
      return described.partitions;
    };
    await eventually('all are in sync', async () =>
      (await partitions()).every(({ leader, isr }) => leader === failing && isr.length === 2),
    );
    // Whoever is asked may not have heard of the cluster yet.
    await eventually(
      'the first one is the controller',
      async () => (await admin.describeCluster()).controllerId === first,
    );
    const producer = kafka.producer({ acks: 'all' });
    const sendAll = () =>
      Promise.all(
        [0, 1, 2, 3].map((partition) =>
          producer.send({ topic: 't', partition, value: `to ${partition}` }),
        ),
      );
    await sendAll();
    disk.breakDown(directory(failing, `a${suffix}`));
    await eventually('half of them are handed over, half stay', async () => {
      // A directory fails when it is used. The original answers the first of these with UNKNOWN_SERVER_ERROR.
      await sendAll().catch(() => undefined);
      const now = await partitions();
      const moved = now.filter(({ leader, isr }) => leader === first && !isr.includes(failing));
      const kept = now.filter(({ leader, isr }) => leader === failing && isr.length === 2);
      return moved.length === 2 && kept.length === 2;
    });
    for (const { leader, offlineReplicas } of await partitions())
      expect(offlineReplicas).toEqual(leader === first ? [failing] : []);
    await sendAll();
    await producer.close();
    await kafka.close();
    for (const { daemon } of brokers) await daemon.stop('SIGKILL');
    await coordinator.daemon.stop('SIGKILL');
    disk.close();
  },
);
