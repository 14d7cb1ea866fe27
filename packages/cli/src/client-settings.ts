/** The properties files and name=value options that tools pass on to the client. */
import type { Kafka } from '@odradek/client';
import { ConfigError, parseProperties } from '@odradek/runtime';
import type { CommandContext } from './context.ts';

type Settings = Pick<ConstructorParameters<typeof Kafka>[0], 'clientId' | 'requestTimeoutMs'>;

/** Reads a properties file into a map; an empty one when no file was named. */
export async function readPropertiesFile(
  { environment }: Pick<CommandContext, 'environment'>,
  file: string | undefined,
): Promise<Map<string, string>> {
  if (file === undefined) return new Map();
  const content = await environment.disk.readFile(file);
  if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
  return new Map(parseProperties(content.toString(), file).map(({ key, value }) => [key, value]));
}

/** name=value pairs of the command line over those of a file. */
export function withPairs(
  file: ReadonlyMap<string, string>,
  pairs: readonly string[],
): Map<string, string> {
  const merged = new Map(file);
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new ConfigError(`'${pair}' is not of the form name=value`);
    merged.set(pair.slice(0, equals).trim(), pair.slice(equals + 1));
  }
  return merged;
}

/** A whole number among properties; undefined when it is not given. */
export function numberOf(properties: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = properties.get(key);
  if (text === undefined) return undefined;
  const value = Number(text.trim());
  if (!Number.isInteger(value)) throw new ConfigError(`${key}=${text}: a whole number is expected`);
  return value;
}

/** What every tool takes from its --command-config file. */
export async function clientSettings(
  context: Pick<CommandContext, 'environment'>,
  file: string | undefined,
): Promise<Settings> {
  const properties = await readPropertiesFile(context, file);
  const clientId = properties.get('client.id');
  const requestTimeoutMs = numberOf(properties, 'request.timeout.ms');
  return {
    ...(clientId !== undefined && { clientId }),
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  };
}
