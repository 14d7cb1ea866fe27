/**
 * One term in office: runs the controller's machine over the coordination service and the lines to
 * the brokers. Decides nothing. When a write finds another controller in office, or the session is
 * gone, the term is over and `onLost` says why.
 */
import { type Deliver, drive, type Environment, type Log } from '@odradek/runtime';
import type { ApiRegistry } from '../api/registry.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { Command } from '../core/controller/commands.ts';
import {
  Controller,
  type ControllerEffect,
  type ControllerInput,
  type ControllerSignal,
} from '../core/controller/controller.ts';
import type { AlterPartitionCall } from '../core/controller/isr-changes.ts';
import type { RegisteredBroker } from '../core/controller/state.ts';
import type { ControllerReply } from '../core/controller/term.ts';
import type { Coordination } from '../metadata/coordination.ts';
import { BrokerChannel } from './broker-channel.ts';
import { localPeer, remotePeer } from './broker-peer.ts';
import { controlTransport } from './control-transport.ts';
import { ControllerStore } from './controller-store.ts';

export interface TermOptions {
  readonly brokerId: number;
  readonly epoch: number;
  /** The version of /controller_epoch at the election. */
  readonly epochVersion: number;
  readonly session: Coordination;
  readonly config: BrokerConfig;
  readonly environment: Environment;
  /** This broker's own handlers: it is one of those that are controlled. */
  readonly registry: Pick<ApiRegistry, 'find'>;
  readonly uncleanAllowed: (topics: readonly string[]) => ReadonlySet<string>;
  readonly onLost: (reason: Error) => void;
}

type ReplyOf<K extends ControllerReply['kind']> = Extract<ControllerReply, { kind: K }>;

export class TermHost {
  readonly epoch: number;
  readonly epochVersion: number;
  readonly #options: TermOptions;
  readonly #log: Log;
  readonly #machine: Controller;
  readonly #store: ControllerStore;
  readonly #channels = new Map<number, BrokerChannel>();
  readonly #waiting = new Map<number, (reply: ControllerReply) => void>();
  readonly #deliver: Deliver<ControllerInput>;
  #lastToken = 0;
  #isOver = false;

  constructor(options: TermOptions) {
    const { brokerId, epoch, epochVersion, environment, config } = options;
    this.#options = options;
    this.epoch = epoch;
    this.epochVersion = epochVersion;
    this.#log = environment.log;
    const { values } = config;
    this.#machine = new Controller({
      controllerId: brokerId,
      epoch,
      settings: {
        deleteTopicEnable: values['delete.topic.enable'],
        autoLeaderRebalanceEnable: values['auto.leader.rebalance.enable'],
        leaderImbalancePerBrokerPercentage: values['leader.imbalance.per.broker.percentage'],
        leaderImbalanceCheckIntervalMs: values['leader.imbalance.check.interval.seconds'] * 1000,
      },
    });
    this.#store = new ControllerStore({
      session: options.session,
      epoch,
      epochVersion,
      random: environment.random,
      log: this.#log,
      signal: (signal) => this.signal(signal),
      uncleanAllowed: options.uncleanAllowed,
    });
    this.#deliver = drive(this.#machine, environment, (effect) => this.#perform(effect));
  }

  /** Takes office: reads everything and puts it right. */
  start(): void {
    this.#deliver({ kind: 'start' });
  }

  signal(signal: ControllerSignal): void {
    if (!this.#isOver) this.#deliver(signal);
  }

  alterPartition(call: AlterPartitionCall): Promise<ReplyOf<'alterPartition'>> {
    return this.#ask((token) => ({ kind: 'alterPartition', token, call })).then((reply) =>
      reply?.kind === 'alterPartition'
        ? reply
        : { kind: 'alterPartition', error: 'NOT_CONTROLLER', partitions: [] },
    );
  }

  controlledShutdown(
    brokerId: number,
    brokerEpoch: number,
  ): Promise<ReplyOf<'controlledShutdown'>> {
    return this.#ask((token) => ({
      kind: 'controlledShutdown',
      token,
      brokerId,
      brokerEpoch,
    })).then((reply) =>
      reply?.kind === 'controlledShutdown'
        ? reply
        : { kind: 'controlledShutdown', error: 'NOT_CONTROLLER', remaining: [] },
    );
  }

  /** Whether the broker is in its life `brokerEpoch` as far as this controller knows. */
  knows(brokerId: number, brokerEpoch: number): boolean {
    return this.#machine.context.brokers.get(brokerId)?.epoch === brokerEpoch;
  }

  /** Whether somebody asked for the topic's deletion. */
  isBeingDeleted(topic: string): boolean {
    return this.#machine.context.deleting.has(topic);
  }

  /** Ends the term: lines are closed, whoever waits is told to look for another controller. */
  resign(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deliver({ kind: 'resign' });
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
    const { brokerId } = this.#options;
    this.#log.info('resigned as controller', { brokerId, epoch: this.epoch });
    for (const [token, resolve] of [...this.#waiting]) {
      this.#waiting.delete(token);
      resolve({ kind: 'alterPartition', error: 'NOT_CONTROLLER', partitions: [] });
    }
  }

  #ask(input: (token: number) => ControllerInput): Promise<ControllerReply | null> {
    if (this.#isOver) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#lastToken += 1;
      const token = this.#lastToken;
      this.#waiting.set(token, resolve);
      this.#deliver(input(token));
    });
  }

  #perform(effect: ControllerEffect): void {
    switch (effect.kind) {
      case 'command':
        this.#execute(effect.command);
        return;
      case 'openChannel':
        this.#channels.get(effect.broker.id)?.close();
        this.#channels.set(effect.broker.id, this.#openChannel(effect.broker));
        return;
      case 'closeChannel':
        this.#channels.get(effect.brokerId)?.close();
        this.#channels.delete(effect.brokerId);
        return;
      case 'send':
        this.#channels.get(effect.brokerId)?.send(effect);
        return;
      case 'reply': {
        const resolve = this.#waiting.get(effect.token);
        this.#waiting.delete(effect.token);
        resolve?.(effect.reply);
        return;
      }
      case 'note':
        this.#log[effect.level](effect.message);
        return;
    }
  }

  #execute(command: Command): void {
    this.#store.perform(command).then(
      (result) => {
        if (!this.#isOver) this.#deliver({ kind: 'commandDone', result });
      },
      (error: unknown) => {
        if (this.#isOver) return;
        const reason = error instanceof Error ? error : new Error(String(error));
        this.resign();
        this.#options.onLost(reason);
      },
    );
  }

  #openChannel(broker: RegisteredBroker): BrokerChannel {
    const { brokerId, config, environment, registry } = this.#options;
    const endpoint = broker.endpoints.find(({ listener }) => listener === config.controlListener);
    const peer =
      broker.id === brokerId
        ? localPeer(registry, brokerId)
        : remotePeer({
            address: () => endpoint ?? null,
            name: `broker ${broker.id}`,
            clientId: `broker-${brokerId}-controller`,
            requestTimeoutMs: config.values['controller.socket.timeout.ms'],
            connectTimeoutMs: config.values['socket.connection.setup.timeout.ms'],
            environment,
          });
    const transport = controlTransport({
      peer,
      controllerId: brokerId,
      versions: config.controlVersions,
      interBrokerListener: config.interBrokerListener,
      log: this.#log,
      deliver: (event) => {
        if (!this.#isOver) this.#deliver(event);
      },
    });
    return new BrokerChannel({
      brokerId: broker.id,
      transport,
      clock: environment.clock,
      timers: environment.timers,
      log: this.#log,
      onOverflow: () => this.#deliver({ kind: 'resync', brokerId: broker.id }),
    });
  }
}
