/**
 * The properties of a connection: from the file of `-client-configuration` (ZooKeeper's names) or
 * `-zk-tls-config-file` (Kafka's names for the same), and from the `-Dname=value` in the environment variables in which
 * the originals' scripts take them for Java. The file overrules.
 */
import { ConfigError, type Disk, parseProperties } from '@odradek/runtime';

/** A value, and where it stands, for complaints. */
export interface ClientProperty {
  readonly value: string;
  readonly source: string;
}

/** By name, without `zookeeper.` and in small letters. */
export type ClientProperties = ReadonlyMap<string, ClientProperty>;

/**
 * @param variables names of environment variables with Java's options, in the order in which Java gets them
 * @throws ConfigError for a file that is not there, or is no properties file
 */
export async function clientProperties(
  file: string | null,
  variables: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  disk: Disk,
): Promise<ClientProperties> {
  const found = new Map<string, ClientProperty>();
  for (const variable of variables) {
    for (const word of (environment[variable] ?? '').split(/\s+/)) {
      const [, name, value = ''] = /^-D([^=]+)=(.*)$/s.exec(word) ?? [];
      if (name !== undefined) found.set(plain(name), { value, source: variable });
    }
  }
  if (file === null) return found;
  const content = await disk.readFile(file);
  if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
  for (const { key, value } of parseProperties(content.toString(), file)) {
    found.set(plain(key), { value: value.trim(), source: file });
  }
  return found;
}

/** The originals are not agreed on capitals. */
const plain = (name: string): string => name.toLowerCase().replace(/^zookeeper\./, '');
