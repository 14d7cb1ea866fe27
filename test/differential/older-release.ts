/**
 * What of a sequence ZooKeeper 3.8.0 answers as 3.9 does. The rest is turned into something near it:
 *
 * - A watch of one kind takes the place of another at the same path; so every path has its kind, and no bit is turned
 *   in what may set a watch: it could be the one that asks for it, or one of the path.
 * - Kinds 4 and 5 of watches cannot be taken away, and 1 and 2 take persistent ones too; so only all of them. And
 *   asking whether a watch is there finds other clients' watches; so nobody asks.
 * - In a multi, whatever makes a node is answered like a plain create; so it is one, with flags and a list that can
 *   be meant. And a null path is no reason to refuse the whole; so there is none.
 * - exists wants no permission, and events are shown to who may not read; so everybody may read everything.
 */
import type {
  AclName,
  HeldWatches,
  Operation,
  Part,
  ReadPart,
  Request,
  Sequence,
  Step,
} from './sequence.ts';

const PERSISTENT = '@/b';
const RECURSIVE = '@';
const SETS_WATCHES: ReadonlySet<Operation['op']> = new Set([
  'exists',
  'getData',
  'getChildren',
  'getChildren2',
  'addWatch',
  'setWatches',
]);
/** Lists that everybody may read by, and lists that nobody may set. */
const READABLE: ReadonlySet<AclName> = new Set([
  'open',
  'read',
  'strange bits',
  'null',
  'empty',
  'digest or read',
  'own network',
  'own address',
  'twice',
  'bad scheme',
  'null scheme',
  'bad world',
  'bad digest',
  'bad address',
  'bad mask',
]);

export const asAnswered = (sequence: Sequence): Sequence => sequence.map(step);

function step(drawn: Step): Step {
  switch (drawn.kind) {
    case 'send':
      return { ...drawn, requests: drawn.requests.map(request) };
    case 'reconnect':
      return { ...drawn, held: drawn.held === null ? null : heldApart(drawn.held) };
    default:
      return drawn;
  }
}

function request(drawn: Request): Request {
  const { damage, ...intact } = { ...drawn, operation: operation(drawn.operation) };
  const staysAsItIs = damage?.kind === 'flip' && SETS_WATCHES.has(drawn.operation.op);
  return damage === undefined || staysAsItIs ? intact : { ...intact, damage };
}

function operation(drawn: Operation): Operation {
  switch (drawn.op) {
    case 'exists':
    case 'getData':
    case 'getChildren':
    case 'getChildren2':
      return 'watch' in drawn ? { ...drawn, watch: drawn.watch && isOrdinary(drawn.path) } : drawn;
    case 'multi':
    case 'multiRead':
      return { ...drawn, parts: drawn.parts.map(part) };
    case 'setAcl':
      return { ...drawn, acl: readable(drawn.acl) };
    case 'addWatch':
      if (drawn.path === PERSISTENT) return { ...drawn, mode: drawn.mode === 1 ? 0 : drawn.mode };
      return { ...drawn, path: RECURSIVE, mode: drawn.mode === 0 ? 1 : drawn.mode };
    case 'removeWatches':
    case 'checkWatches':
      return { op: 'removeWatches', path: drawn.path, type: 3 };
    case 'setWatches':
      return { ...drawn, held: heldApart(drawn.held) };
    default:
      return 'acl' in drawn ? { ...drawn, acl: readable(drawn.acl) } : drawn;
  }
}

function part(drawn: Part | ReadPart): Part | ReadPart {
  switch (drawn.op) {
    case 'create':
    case 'create2':
    case 'createContainer':
    case 'createTtl':
      return {
        op: 'create',
        path: drawn.path ?? '',
        data: 'data' in drawn ? drawn.data : null,
        acl: drawn.acl === 'null' ? 'empty' : readable(drawn.acl),
        flags: drawn.flags >= 0 && drawn.flags <= 3 ? drawn.flags : 0,
      };
    default:
      return { ...drawn, path: drawn.path ?? '' };
  }
}

const readable = (name: AclName): AclName => (READABLE.has(name) ? name : 'open');

const isOrdinary = (path: string | null): boolean => path !== PERSISTENT && path !== RECURSIVE;

function heldApart({ persistent, recursive, ...held }: HeldWatches): HeldWatches {
  const ordinary = (paths: readonly string[]): readonly string[] => paths.filter(isOrdinary);
  return {
    since: held.since,
    data: ordinary(held.data),
    exist: ordinary(held.exist),
    child: ordinary(held.child),
    ...(persistent && { persistent: persistent.filter((path) => path === PERSISTENT) }),
    ...(recursive && { recursive: recursive.filter((path) => path === RECURSIVE) }),
  };
}
