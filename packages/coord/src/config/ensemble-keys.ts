/**
 * Keys of zoo.cfg about the ensemble: times, elections, what a member is and how it begins.
 * Not here: the lines that name the members (core/quorum/ensemble.ts), TLS between members
 * (quorum-tls-keys.ts), rules over several keys (ensemble-settings.ts).
 */
import { atLeast, between, defineConfig, oneOf, oneOfAnyCase } from '@odradek/runtime';

const INT_MAX = 2 ** 31 - 1;

export const ensembleKeys = defineConfig({
  initLimit: {
    type: 'int',
    default: 10,
    validate: between(1, INT_MAX),
    doc: 'Ticks that a new leader and its followers have to find each other and to be in sync. The original has no default.',
  },
  syncLimit: {
    type: 'int',
    default: 5,
    validate: between(1, INT_MAX),
    doc: 'Ticks of silence after which a leader and a follower give each other up. The original has no default.',
  },
  connectToLearnerMasterLimit: {
    type: 'int',
    default: 0,
    validate: atLeast(0),
    doc: 'Ticks that a follower tries to connect to its leader; 0: initLimit.',
  },
  dynamicConfigFile: {
    type: 'path',
    default: null,
    doc: 'File with the server, group and weight lines, which then may not stand in the main file. It counts until the first reconfiguration; from then on the data directory knows the members.',
  },
  'odradek.serverId': {
    type: 'int',
    default: null,
    validate: between(0, 255),
    doc: 'Which of the servers this one is, for those who would rather not have a file `myid` in dataDir. Where there are both, they must agree.',
  },
  electionAlg: {
    type: 'string',
    default: '3',
    validate: oneOf('3'),
    doc: 'Only 3, the fast leader election; the others are gone from the original as well.',
  },
  peerType: {
    type: 'string',
    default: 'participant',
    validate: oneOfAnyCase('participant', 'observer'),
    doc: 'What this server is. Its server line decides; where they differ, the log says so.',
  },
  quorumListenOnAllIPs: {
    type: 'boolean',
    default: false,
    doc: 'Whether the ports for replication and election are opened on all interfaces, not only on the address of the own server line.',
  },
  cnxTimeout: {
    type: 'int',
    default: 5_000,
    validate: between(1, INT_MAX),
    doc: 'Time that a connection to another server may take to come about, in ms.',
  },
  'fastleader.minNotificationInterval': {
    type: 'int',
    default: 200,
    validate: between(1, INT_MAX),
    doc: 'Time after which an election repeats what it said when nothing comes, in ms; doubled each time.',
  },
  'fastleader.maxNotificationInterval': {
    type: 'int',
    default: 3_000,
    validate: between(1, INT_MAX),
    doc: 'The longest such time, in ms. The original takes 60000.',
  },
  'readonlymode.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Whether a server without a leader answers the reads of clients that allow it (canBeReadOnly).',
  },
  'db.autocreate': {
    type: 'boolean',
    default: false,
    doc: 'true: an empty disk votes like any other. Otherwise it votes only when all participants are empty, or after it was synchronised, or with a file `initialize` in dataDir: an emptied server cannot help to lose what others know. The original takes true.',
  },
});
