/**
 * What every procedure of a controller's term works with: the context, the batch of requests, the
 * settings, and the effects that leave the machine without being answered.
 */

import type { KafkaErrorName } from '@odradek/protocol';
import type { ControllerContext } from './context.ts';
import { ControlBatch, type ControlRequest } from './control-batch.ts';
import type { RegisteredBroker, TopicPartition } from './state.ts';

export interface ControllerSettings {
  readonly deleteTopicEnable: boolean;
  readonly autoLeaderRebalanceEnable: boolean;
  readonly leaderImbalancePerBrokerPercentage: number;
  readonly leaderImbalanceCheckIntervalMs: number;
}

/** One partition of an answer to AlterPartition. */
export interface AlteredPartition extends TopicPartition {
  readonly topicId: string | null;
  /** Kafka's name of the error; null for success, with the state that holds now. */
  readonly error: KafkaErrorName | null;
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly leaderRecoveryState: number;
  readonly partitionEpoch: number;
}

/** The answer to a request of a broker; `error` is at its top level. */
export type ControllerReply =
  | {
      readonly kind: 'alterPartition';
      readonly error: KafkaErrorName | null;
      readonly partitions: readonly AlteredPartition[];
    }
  | {
      readonly kind: 'controlledShutdown';
      readonly error: KafkaErrorName | null;
      readonly remaining: readonly TopicPartition[];
    };

/** What leaves the machine and is not waited for. */
export type TermEffect =
  | { readonly kind: 'openChannel'; readonly broker: RegisteredBroker }
  | { readonly kind: 'closeChannel'; readonly brokerId: number }
  | {
      readonly kind: 'send';
      readonly brokerId: number;
      readonly brokerEpoch: number;
      readonly request: ControlRequest;
    }
  | { readonly kind: 'reply'; readonly token: number; readonly reply: ControllerReply }
  | {
      readonly kind: 'note';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
    };

export class Term {
  readonly context: ControllerContext;
  readonly settings: ControllerSettings;
  readonly batch: ControlBatch;
  #effects: TermEffect[] = [];

  constructor(context: ControllerContext, settings: ControllerSettings) {
    this.context = context;
    this.settings = settings;
    this.batch = new ControlBatch(context);
  }

  emit(effect: TermEffect): void {
    this.#effects.push(effect);
  }

  note(level: 'info' | 'warn' | 'error', message: string): void {
    this.emit({ kind: 'note', level, message });
  }

  /** Sends what the batch gathered. */
  flush(): void {
    for (const { brokerId, brokerEpoch, request } of this.batch.flush())
      this.emit({ kind: 'send', brokerId, brokerEpoch, request });
  }

  /** Takes out what is to be carried out now. */
  takeEffects(): readonly TermEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
