/**
 * Sequences as they are drawn by chance. Three ways to draw them: of everything; with more of who is who; and below
 * quotas, where writes come one at a time (what is on its way counts here, and not in the original).
 */
import fc from 'fast-check';
import {
  aclsNamed,
  creates,
  flags,
  held,
  listedPaths,
  paths,
  plainPaths,
  requests,
  versions,
} from './operations.ts';
import {
  type AclName,
  type Greeting,
  type Operation,
  type Part,
  type ReadPart,
  type Request,
  SESSIONS,
  type Sequence,
  type Step,
  type Way,
} from './sequence.ts';

const STEPS = { minLength: 2, maxLength: 25 } as const;
const session = fc.nat(SESSIONS - 1);

/** The original checks what is sent right behind a setACL against the old list; so it stands last. */
const upToSetAcl = (row: readonly Request[]): readonly Request[] => {
  const at = row.findIndex(({ operation }) => operation.op === 'setAcl');
  return at < 0 ? row : row.slice(0, at + 1);
};

const sends = (one: fc.Arbitrary<Request>): fc.Arbitrary<Step> =>
  fc.record({
    session,
    kind: fc.constant('send'),
    requests: fc.oneof(
      { weight: 2, arbitrary: fc.array(one, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(one, { minLength: 2, maxLength: 6 }).map(upToSetAcl) },
    ),
  });

const auths: fc.Arbitrary<Step> = fc.record({
  session,
  kind: fc.constant('auth'),
  scheme: fc.oneof(
    { weight: 8, arbitrary: fc.constant('digest') },
    { weight: 1, arbitrary: fc.constantFrom('ip', 'world', 'nope', '', null) },
  ),
  auth: fc.constantFrom('u:p', 'u:p', 'v:q', 'super:secret', 'super:wrong', 'nocolon', ''),
});

/** Never without a name: to that the original has no answer. */
const sasls: fc.Arbitrary<Step> = fc.record({
  session,
  kind: fc.constant('sasl'),
  user: fc.constantFrom('alice', 'alice', 'alice', 'root', 'nobody', 'älice'),
  password: fc.oneof(
    { weight: 6, arbitrary: fc.constant('secret') },
    { weight: 1, arbitrary: fc.constantFrom('wrong', '') },
  ),
  isGarbled: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
});

const unknowns: fc.Arbitrary<Step> = fc.record({
  session,
  kind: fc.constant('unknown'),
  opCode: fc.constantFrom(0, 10, 23, 99, 108, -1, -12, 2 ** 31 - 1),
});

const greetings = (ways: readonly Way[]): fc.Arbitrary<Greeting> =>
  fc.record({
    timeoutMs: fc.oneof(
      { weight: 3, arbitrary: fc.constant(600_000) },
      { weight: 1, arbitrary: fc.constantFrom(0, 1, -1, 120_000, 1_200_001, 2 ** 31 - 1) },
    ),
    saysReadOnly: fc.constantFrom(false, false, true, null),
    seen: fc.oneof(
      { weight: 12, arbitrary: fc.constant('own') },
      { weight: 1, arbitrary: fc.constant('ahead') },
    ),
    way: fc.constantFrom(...ways),
  });

const returns = (ways: readonly Way[]): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        session,
        kind: fc.constant('reconnect'),
        greeting: greetings(ways),
        password: fc.oneof(
          { weight: 6, arbitrary: fc.constant('right') },
          { weight: 1, arbitrary: fc.constant('wrong') },
        ),
        held: fc.option(held),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ session, kind: fc.constant('takeover'), greeting: greetings(ways) }),
    },
  );

const closes: fc.Arbitrary<Step> = fc.record({ session, kind: fc.constant('close') });

/** Everything there is. */
export const sequences: fc.Arbitrary<Sequence> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 40, arbitrary: sends(requests) },
    { weight: 3, arbitrary: auths },
    { weight: 1, arbitrary: sasls },
    { weight: 1, arbitrary: unknowns },
    { weight: 4, arbitrary: returns(['plain']) },
    { weight: 2, arbitrary: closes },
  ),
  STEPS,
);

const whose: readonly AclName[] = [
  'sasl alice',
  'other sasl',
  'x509 alice',
  'other x509',
  'bad x509',
  'auth',
  'digest',
  'own address',
  'super',
  'open',
];
const guarded: fc.Arbitrary<Request> = fc
  .oneof<fc.WeightedArbitrary<Operation>[]>(
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constantFrom('create', 'create2'),
        path: plainPaths,
        data: fc.constant('x'),
        acl: aclsNamed(whose),
        flags,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant('setAcl'),
        path: plainPaths,
        acl: aclsNamed(whose),
        version: versions,
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('getAcl'), path: plainPaths }) },
    { weight: 2, arbitrary: fc.constant({ op: 'whoAmI' }) },
  )
  .map((operation) => ({ operation }));

/** With more of who somebody is, and of lists that ask for it. */
export const guardedSequences = (ways: readonly Way[]): fc.Arbitrary<Sequence> =>
  fc.array(
    fc.oneof<fc.WeightedArbitrary<Step>[]>(
      { weight: 16, arbitrary: sends(requests) },
      { weight: 16, arbitrary: sends(guarded) },
      { weight: 5, arbitrary: auths },
      { weight: 8, arbitrary: sasls },
      { weight: 5, arbitrary: returns(ways) },
      { weight: 2, arbitrary: closes },
    ),
    STEPS,
  );

/** The folder of the quotas of `@` and what is below. */
const QUOTAS = '/zookeeper/quota';
const limited = fc.constantFrom('@', '@', '@', '@/a', '@/b');
const limits = fc.constantFrom(
  'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3',
  'count=2,bytes=10=;byteHardLimit=-1;countHardLimit=-1',
  'count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=-1',
  'count=1,bytes=1=;byteHardLimit=40;countHardLimit=5',
  'count=3,bytes=-1',
  'countHardLimit=2',
  'byteHardLimit=0',
  'count=1000,bytes=1000=;byteHardLimit=1000;countHardLimit=1000',
);
const make = (path: string, text: string | null): Request => ({
  operation: { op: 'create', path, data: text, acl: 'open', flags: 0 },
});
const quotasSet: fc.Arbitrary<Step> = fc
  .tuple(session, limited, limits)
  .map(([who, path, text]) => ({
    session: who,
    kind: 'send',
    requests: [
      make(`${QUOTAS}@`, null),
      ...(path === '@' ? [] : [make(`${QUOTAS}${path}`, null)]),
      make(`${QUOTAS}${path}/zookeeper_limits`, text),
      make(`${QUOTAS}${path}/zookeeper_stats`, 'count=0,bytes=0'),
    ],
  }));
const quotaNodes = fc
  .tuple(limited, fc.constantFrom('/zookeeper_limits', '/zookeeper_stats', '/zookeeper_stats', ''))
  .map(([path, name]) => `${QUOTAS}${path}${name}`);
const belowLimits: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 5,
    arbitrary: creates.map((part) => ({
      ...part,
      path: part.path ?? '@/a',
      acl: 'open' as const,
      ...('data' in part && { data: part.data === null ? null : part.data.slice(0, 2) }),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('delete'), path: paths, version: versions }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('setData'),
      path: plainPaths,
      data: fc.constant('longer'),
      version: versions,
    }),
  },
);
const quotaWrites: fc.Arbitrary<Operation> = fc.oneof<fc.WeightedArbitrary<Operation>[]>(
  { weight: 10, arbitrary: belowLimits },
  {
    weight: 2,
    arbitrary: belowLimits.map((part) => ({
      op: 'multi',
      parts: [{ op: 'check', path: '@', version: -1 }, part],
      ended: true,
    })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('setData'),
      path: limited.map((path) => `${QUOTAS}${path}/zookeeper_limits`),
      data: limits,
      version: versions,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('delete'), path: quotaNodes, version: versions }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constantFrom('getData', 'exists'),
      path: quotaNodes,
      watch: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('getChildren', 'getChildren2'),
      path: fc.oneof(listedPaths, quotaNodes),
      watch: fc.boolean(),
    }),
  },
);

/** Each write of data below a limit is longer than all before: what makes less of it is answered otherwise. */
const growing = (sequence: Sequence): Sequence =>
  sequence.map((step, index) =>
    step.kind === 'send'
      ? { ...step, requests: step.requests.map((request) => longerBy(request, index)) }
      : step,
  );
function longerBy({ operation, ...rest }: Request, more: number): Request {
  const grown = <T extends { readonly op: string; readonly data?: unknown }>(part: T): T =>
    part.op === 'setData' && part.data === 'longer'
      ? { ...part, data: part.data.padEnd(part.data.length + more, 'r') }
      : part;
  if (operation.op !== 'multi') return { ...rest, operation: grown(operation) };
  const parts = operation.parts.map((part) => grown<Part | ReadPart>(part));
  return { ...rest, operation: { ...operation, parts } };
}

/** Below quotas, one request at a time. */
export const quotaSequences: fc.Arbitrary<Sequence> = fc
  .array(
    fc.oneof<fc.WeightedArbitrary<Step>[]>(
      {
        weight: 30,
        arbitrary: fc.record({
          session,
          kind: fc.constant('send'),
          requests: fc.tuple(quotaWrites.map((operation) => ({ operation }))),
        }),
      },
      { weight: 6, arbitrary: quotasSet },
      { weight: 2, arbitrary: closes },
      { weight: 1, arbitrary: returns(['plain']) },
    ),
    { minLength: 2, maxLength: 30 },
  )
  .map(growing);
