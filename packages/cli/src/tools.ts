/** The tools by name. Each is loaded when it is called, so that a small one starts quickly. */
import type { Tool } from './context.ts';

type Load = () => Promise<Tool>;

export const tools: Readonly<Record<string, Load>> = {
  'coord-backup': async () => (await import('./commands/coord-backup.ts')).coordBackup,
  'coord-check': async () => (await import('./commands/coord-check.ts')).coordCheck,
  'coord-export': async () => (await import('./commands/coord-export.ts')).coordExport,
  'coord-import': async () => (await import('./commands/coord-import.ts')).coordImport,
  'coord-log': async () => (await import('./commands/coord-log.ts')).coordLog,
  'coord-restore': async () => (await import('./commands/coord-restore.ts')).coordRestore,
  'kafka-console-consumer': async () =>
    (await import('./commands/kafka-console-consumer.ts')).kafkaConsoleConsumer,
  'kafka-console-producer': async () =>
    (await import('./commands/kafka-console-producer.ts')).kafkaConsoleProducer,
  'kafka-delete-records': async () =>
    (await import('./commands/kafka-delete-records.ts')).kafkaDeleteRecords,
  'kafka-dump-log': async () => (await import('./commands/kafka-dump-log.ts')).kafkaDumpLog,
  'kafka-log-dirs': async () => (await import('./commands/kafka-log-dirs.ts')).kafkaLogDirs,
  'kafka-server-start': async () => (await import('./commands/server-start.ts')).kafkaServerStart,
  'kafka-server-stop': async () => (await import('./commands/server-stop.ts')).kafkaServerStop,
  'kafka-topics': async () => (await import('./commands/kafka-topics.ts')).kafkaTopics,
  quorum: async () => (await import('./commands/quorum.ts')).quorum,
  start: async () => (await import('./commands/start.ts')).start,
  'zookeeper-server-start': async () =>
    (await import('./commands/server-start.ts')).zookeeperServerStart,
  'zookeeper-server-stop': async () =>
    (await import('./commands/server-stop.ts')).zookeeperServerStop,
  zkCli: async () => (await import('./commands/zookeeper-shell.ts')).zkCli,
  'zookeeper-shell': async () => (await import('./commands/zookeeper-shell.ts')).zookeeperShell,
};

export const toolNames: readonly string[] = Object.keys(tools);
