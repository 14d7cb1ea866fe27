/**
 * What the controller asks of the coordination service, and how its procedures ask.
 *
 * Much of what a controller does is "read, decide, write if unchanged, tell". Such a course of
 * action is written as a generator that yields a command and is resumed with its result: it reads
 * from top to bottom, yet has no promise, and a test answers it from a map in memory. Commands are
 * carried out one at a time; every write is made under a check that we are still the controller.
 */
import { invariant } from '@odradek/runtime';
import type {
  LeaderAndIsr,
  PartitionState,
  RegisteredBroker,
  TopicAssignment,
  TopicPartition,
} from './state.ts';

/** A write of a partition's state; null expects that there is none yet. */
export interface StateWrite extends TopicPartition {
  readonly state: LeaderAndIsr;
  readonly expectedPartitionEpoch: number | null;
}

/** What became of a write: the new partition epoch, or null when somebody else wrote in between. */
export interface StateWritten extends TopicPartition {
  readonly partitionEpoch: number | null;
}

/** Reads re-arm the watch on what they read. */
export type Command =
  | { readonly kind: 'readBrokers' }
  | { readonly kind: 'readTopicNames' }
  | { readonly kind: 'readAssignments'; readonly topics: readonly string[] }
  | { readonly kind: 'readStates'; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: 'writeStates'; readonly writes: readonly StateWrite[] }
  /** Gives each topic a fresh id and stores it. */
  | {
      readonly kind: 'assignTopicIds';
      readonly topics: ReadonlyMap<string, TopicAssignment>;
    }
  | {
      readonly kind: 'writeAssignment';
      readonly topic: string;
      readonly assignment: TopicAssignment;
    }
  | { readonly kind: 'readDeletions' }
  /** Takes back requests for deletion. */
  | { readonly kind: 'forgetDeletions'; readonly topics: readonly string[] }
  /** Removes all znodes of a topic, its request for deletion last. */
  | { readonly kind: 'removeTopic'; readonly topic: string }
  /** Of these topics, those that rather lose records than be without a leader. */
  | { readonly kind: 'readUncleanAllowed'; readonly topics: readonly string[] }
  /** Reads and removes notifications; `discard` for those left over from another term. */
  | { readonly kind: 'takeIsrChanges'; readonly discard: boolean }
  | { readonly kind: 'takeLogDirEvents'; readonly discard: boolean }
  | { readonly kind: 'takePreferredElection' };

export type CommandResult =
  | { readonly kind: 'readBrokers'; readonly brokers: readonly RegisteredBroker[] }
  | { readonly kind: 'readTopicNames'; readonly topics: readonly string[] }
  /** Topics that are gone are left out. */
  | {
      readonly kind: 'readAssignments';
      readonly assignments: ReadonlyMap<string, TopicAssignment>;
    }
  /** By partition key; those without a state are left out. */
  | { readonly kind: 'readStates'; readonly states: ReadonlyMap<string, PartitionState> }
  | { readonly kind: 'writeStates'; readonly written: readonly StateWritten[] }
  /** Topics that are gone meanwhile are left out. */
  | { readonly kind: 'assignTopicIds'; readonly topicIds: ReadonlyMap<string, string> }
  | { readonly kind: 'writeAssignment' }
  | { readonly kind: 'readDeletions'; readonly topics: readonly string[] }
  | { readonly kind: 'forgetDeletions' }
  | { readonly kind: 'removeTopic' }
  | { readonly kind: 'readUncleanAllowed'; readonly topics: ReadonlySet<string> }
  | { readonly kind: 'takeIsrChanges'; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: 'takeLogDirEvents'; readonly brokerIds: readonly number[] }
  | { readonly kind: 'takePreferredElection'; readonly partitions: readonly TopicPartition[] };

export type Procedure<T = void> = Generator<Command, T, CommandResult>;

type CommandOf<K extends Command['kind']> = Extract<Command, { readonly kind: K }>;
type ResultOf<K extends Command['kind']> = Extract<CommandResult, { readonly kind: K }>;

/** Yields one command and returns its own kind of result. */
export function* ask<K extends Command['kind']>(
  command: CommandOf<K> & { readonly kind: K },
): Procedure<ResultOf<K>> {
  const result = yield command;
  invariant(answers(result, command.kind), `${command.kind} was answered with ${result.kind}`);
  return result;
}

function answers<K extends Command['kind']>(result: CommandResult, kind: K): result is ResultOf<K> {
  return result.kind === kind;
}
