/**
 * What one coordination server says of its ensemble: the word `quor`, asked and read. Fields that are
 * not there, or not what they should be, are null, so that servers of another version can be asked.
 */
import { ConnectFailed, type Environment, type Millis, millis } from '@odradek/runtime';

export interface ServerStatus {
  readonly serverId: number;
  /** leader, follower, observer, looking, read-only or standalone. */
  readonly role: string;
  readonly leaderId: number | null;
  readonly acceptedEpoch: number | null;
  readonly currentEpoch: number | null;
  readonly loggedZxid: bigint | null;
  readonly committedZxid: bigint | null;
  readonly appliedZxid: bigint | null;
  /** The text of the members that it goes by; null: none, it is alone. */
  readonly ensemble: string | null;
  readonly presentIds: readonly number[];
  /** Why there is no leader. */
  readonly obstacle: string | null;
  /** null when it does not lead. */
  readonly learners: readonly LearnerLine[] | null;
}

export interface LearnerLine {
  readonly serverId: number;
  readonly acknowledgedZxid: bigint | null;
  readonly heardAgoMs: number | null;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** What came of asking one. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: ServerStatus }
  /** `reason`: a clause for people. */
  | { readonly kind: 'silent'; readonly reason: string };

/** An answer is short; more than this is none. */
const ANSWER_BYTES_MAX = 1024 * 1024;
const WORD = 'quor';

/** Asks one server; whatever goes wrong is an answer as well. */
export async function askStatus(
  environment: Pick<Environment, 'network' | 'timers' | 'clock'>,
  address: HostAndPort,
  timeoutMs: number,
): Promise<Answer> {
  let text: string;
  try {
    text = await askWord(environment, address, timeoutMs);
  } catch (error) {
    if (!(error instanceof ConnectFailed)) throw error;
    return { kind: 'silent', reason: error.message };
  }
  const status = readStatus(text);
  if (status !== null) return { kind: 'answered', status };
  const said = text.trim().split('\n')[0] ?? '';
  if (said.includes('not in the whitelist')) {
    return {
      kind: 'silent',
      reason: `${WORD} is not in its 4lw.commands.whitelist`,
    };
  }
  return {
    kind: 'silent',
    reason: said === '' ? 'it says nothing' : `it says ${JSON.stringify(said)}`,
  };
}

/** @throws ConnectFailed */
async function askWord(
  { network, timers, clock }: Pick<Environment, 'network' | 'timers' | 'clock'>,
  { host, port }: HostAndPort,
  timeoutMs: number,
): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let ended: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const connection = await network.connect({ host, port, timeoutMs }, (opened) => ({
    data(chunk) {
      sizeBytes += chunk.length;
      if (sizeBytes > ANSWER_BYTES_MAX) opened.destroy();
      else chunks.push(Buffer.from(chunk));
    },
    close: () => ended(),
  }));
  const disarm = timers.wakeAt(millis(clock.now() + timeoutMs) as Millis, () => {
    connection.destroy();
    ended();
  });
  connection.write(Buffer.from(WORD));
  await answered;
  disarm();
  return Buffer.concat(chunks).toString('utf8');
}

/** @returns null for what is not the answer of one of our servers */
export function readStatus(text: string): ServerStatus | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const serverId = numberOf(value, 'serverId');
  const role = textOf(value, 'role');
  if (serverId === null || role === null) return null;
  return {
    serverId,
    role,
    leaderId: numberOf(value, 'leaderId'),
    acceptedEpoch: numberOf(value, 'acceptedEpoch'),
    currentEpoch: numberOf(value, 'currentEpoch'),
    loggedZxid: zxidOf(value, 'loggedZxid'),
    committedZxid: zxidOf(value, 'committedZxid'),
    appliedZxid: zxidOf(value, 'appliedZxid'),
    ensemble: textOf(value, 'ensemble'),
    presentIds: (listOf(value, 'presentIds') ?? []).filter((id) => typeof id === 'number'),
    obstacle: textOf(value, 'obstacle'),
    learners:
      listOf(value, 'learners')?.flatMap((learner) => {
        const id = numberOf(learner, 'serverId');
        if (id === null) return [];
        return [
          {
            serverId: id,
            acknowledgedZxid: zxidOf(learner, 'acknowledgedZxid'),
            heardAgoMs: numberOf(learner, 'heardAgoMs'),
          },
        ];
      }) ?? null,
  };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

function numberOf(value: unknown, name: string): number | null {
  const field = fieldOf(value, name);
  return typeof field === 'number' ? field : null;
}

function textOf(value: unknown, name: string): string | null {
  const field = fieldOf(value, name);
  return typeof field === 'string' ? field : null;
}

function listOf(value: unknown, name: string): readonly unknown[] | null {
  const field = fieldOf(value, name);
  return Array.isArray(field) ? field : null;
}

function zxidOf(value: unknown, name: string): bigint | null {
  const text = textOf(value, name);
  return text !== null && /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text) : null;
}
