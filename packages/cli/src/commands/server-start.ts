/**
 * kafka-server-start and zookeeper-server-start: a daemon from a properties file, in the foreground or (`-daemon`) in
 * the background. Ends when it is asked to, or when it can no longer do its work.
 */
import { resolve } from 'node:path';
import {
  ConfigError,
  describeHost,
  Metrics,
  type OdradekError,
  type PropertyEntry,
  parseOverride,
  parseProperties,
  serveHttp,
  watchProcess,
} from '@odradek/runtime';
import type { CommandContext, Tool } from '../context.ts';
import { daemonLogging } from '../logging.ts';
import { UsageError } from '../options.ts';
import { VERSION } from '../version.ts';

/** A daemon that serves. */
export interface Running {
  /** Resolves when it had to give up by itself. */
  readonly failure: Promise<OdradekError>;
  stop(): Promise<void>;
}

type Start = (
  entries: readonly PropertyEntry[],
  file: string,
  context: CommandContext,
) => Promise<Running>;

function starter(name: string, description: string, outputName: string, start: Start): Tool {
  return {
    name,
    description,
    usage: () =>
      `USAGE: ${name} [-daemon] FILE [--override property=value]*\n${description}\n` +
      'Option                        Description\n' +
      '------                        -----------\n' +
      '-daemon                       Run in the background; must come first.\n' +
      '--override <String>           A property that overrides the one in the file.\n' +
      '--version                     Print the version and exit.\n',
    wantsWords: true,
    reportsSignal: true,
    logging: daemonLogging,
    async run(words, context) {
      if (words[0] === '--version') {
        await context.stdout(`${VERSION}\n`);
        return 0;
      }
      const inBackground = words[0] === '-daemon';
      const { file, overrides } = parseCall(inBackground ? words.slice(1) : words);
      const entries = [...(await readFile(context, file)), ...overrides];
      if (inBackground) {
        const folder = context.variables.LOG_DIR ?? `${context.baseDirectory}/logs`;
        await context.processes.startDetached([name, ...words.slice(1)], `${folder}/${outputName}`);
        return 0;
      }
      return await serve(await start(entries, file, context), context);
    },
  };
}

export const kafkaServerStart = starter(
  'kafka-server-start',
  'Starts a broker.',
  'kafkaServer.out',
  async (entries, file, context) => {
    const { environment, homeDirectory, interrupted } = context;
    const hostName = await context.hostName();
    // Loaded here, so that neither daemon carries the other's code.
    const { readBrokerConfig, startBroker } = await import('@odradek/broker');
    const config = readBrokerConfig(entries, { source: file, homeDirectory, hostName });
    const metrics = new Metrics();
    watchProcess(metrics);
    const page = await metricsPage(context, metrics, config.values['odradek.metrics.port']);
    const eventLoopDelay = context.eventLoopDelay();
    try {
      const running = await startBroker(environment, config, {
        interrupted,
        openFilesLimit: context.openFilesLimit(),
        metrics,
        eventLoopDelay,
      });
      // Scripts that wait for a broker look for these words of Kafka's.
      environment.log.info(
        `[KafkaServer id=${running.brokerId}] started (kafka.server.KafkaServer)`,
      );
      return {
        failure: running.failure,
        stop: async () => {
          await running.stop();
          await page.close();
        },
      };
    } catch (error) {
      await page.close();
      throw error;
    }
  },
);

export const zookeeperServerStart = starter(
  'zookeeper-server-start',
  'Starts a coordination server.',
  'zookeeper.out',
  async (entries, file, { environment, homeDirectory, eventLoopDelay }) => {
    const { readZooCfg, startCoordinator } = await import('@odradek/coord');
    const { values, warnings } = readZooCfg(entries, { source: file, homeDirectory });
    for (const note of warnings) environment.log.child('coord').warn(note);
    return startCoordinator(environment, values, {
      serveHttp,
      watchProcess,
      describeHost,
      eventLoopDelay: eventLoopDelay(),
      configurationFile: resolve(file),
    });
  },
);

async function metricsPage(
  { environment, serveMetrics }: CommandContext,
  metrics: Metrics,
  port: number | null,
): Promise<{ close(): Promise<void> }> {
  if (port === null) return { close: async () => undefined };
  const page = await serveMetrics(metrics, { host: null, port });
  environment.log.info('metrics are served', { port: page.port, path: '/metrics' });
  return page;
}

/** Waits for an order to stop, or for a failure; either way everything is put away in order. */
export async function serve(running: Running, context: CommandContext): Promise<number> {
  const { interrupted, environment } = context;
  const ordered = new Promise<null>((done) => {
    if (interrupted.aborted) done(null);
    interrupted.addEventListener('abort', () => done(null), { once: true });
  });
  const failure = await Promise.race([ordered, running.failure]);
  if (failure !== null) environment.log.error('cannot go on', { error: failure });
  await running.stop();
  return failure === null ? 0 : 1;
}

function parseCall(words: readonly string[]): {
  readonly file: string;
  readonly overrides: readonly PropertyEntry[];
} {
  const [file, ...rest] = words;
  if (file === undefined || file.startsWith('-'))
    throw new UsageError('the properties file is missing');
  const overrides: PropertyEntry[] = [];
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? '';
    const pair = /^--?override(?:=(.*))?$/.exec(word);
    if (pair === null) throw new UsageError(`Found non argument parameters: ${word}`);
    const value = pair[1] ?? rest[++index];
    if (value === undefined) throw new UsageError('--override wants property=value');
    overrides.push(parseOverride(value));
  }
  return { file, overrides };
}

async function readFile(
  { environment: { disk } }: CommandContext,
  file: string,
): Promise<PropertyEntry[]> {
  const content = await disk.readFile(file);
  if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
  return parseProperties(content.toString(), file);
}
