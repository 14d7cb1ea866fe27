/**
 * A server's part in changes of its ensemble's members: which are allowed, and what follows from one
 * that is certain: the configuration files say so, and clients are served at the port that it names.
 *
 * What members are is in core/quorum/ensemble.ts, what a change may be in core/quorum/reconfig.ts, how
 * it becomes certain in ../replica/.
 */
import { type Environment, OdradekError } from '@odradek/runtime';
import type { Membership } from '../config/ensemble-settings.ts';
import { type Address, parseEnsemble } from '../core/quorum/ensemble.ts';
import { decideReconfig } from '../core/quorum/reconfig.ts';
import { versionOf } from '../core/transaction/members.ts';
import type { MembershipRules, ReconfigRequest } from '../core/transaction/prepare.ts';
import type { Leadership, ReplicaStatus } from '../replica/types.ts';
import { writeMembers } from './configuration-files.ts';
import type { EnsembleView } from './ensemble-view.ts';
import type { EnsembleParts } from './roles.ts';

export interface MembershipHostParts {
  readonly environment: Pick<Environment, 'disk' | 'log'>;
  readonly view: EnsembleView;
  /** An ensemble may shrink to this many participants. */
  readonly participantsMin: number;
  /** Where the server was told of its configuration; null: in no file that could be changed. */
  readonly configurationFile: string | null;
  /** Clients come to another port from now on. @throws AddressInUse */
  rebind(host: string, port: number): Promise<void>;
}

/** As server lines say it. */
const ALL_INTERFACES = '0.0.0.0';

export class MembershipHost implements EnsembleParts {
  readonly #parts: MembershipHostParts;
  /** Where plain connections are taken; null: nowhere. */
  #clientAddress: Address | null;
  /** One change after another. */
  #following: Promise<void> = Promise.resolve();

  constructor(parts: MembershipHostParts, { clientHost, clientPort }: Membership) {
    this.#parts = parts;
    this.#clientAddress =
      clientPort === null ? null : { host: clientHost ?? ALL_INTERFACES, port: clientPort };
  }

  status(): ReplicaStatus {
    return this.#parts.view.status();
  }

  maintenance(): string | null {
    return this.#parts.view.maintenance();
  }

  isLeftBehind(): boolean {
    return this.#parts.view.isLeftBehind;
  }

  unrecordedMembers(): string | null {
    return this.#parts.view.unrecordedMembers();
  }

  membership(leadership: Leadership): MembershipRules {
    const { environment, view, participantsMin } = this.#parts;
    const refusalOf = (text: string) => leadership.refusalOf(text);
    return {
      decide(request: ReconfigRequest, zxid: bigint): string | number {
        const { ensembleText } = view.status();
        const isOutstanding = refusalOf(ensembleText) === 'RECONFIG_IN_PROGRESS';
        const context = { current: view.ensemble, isOutstanding, participantsMin, refusalOf };
        const decision = decideReconfig(request, context, zxid);
        if (decision.kind === 'accepted') return decision.text;
        environment.log.info('a change of members is refused', { reason: decision.why });
        return decision.wire;
      },
    };
  }

  /** What is stored may know newer members than the file that the server was started with. */
  started(): void {
    const { ensembleText } = this.status();
    if (versionOf(ensembleText) > 0n) this.#follow(ensembleText);
  }

  reconfigured(ensembleText: string): void {
    this.#parts.environment.log.info('the members of the ensemble have changed', {
      members: ensembleText.replaceAll('\n', ' '),
    });
    this.#follow(ensembleText);
  }

  #follow(ensembleText: string): void {
    this.#following = this.#following.then(() => this.#carryOut(ensembleText));
  }

  async #carryOut(ensembleText: string): Promise<void> {
    const { environment, view, configurationFile } = this.#parts;
    const self = parseEnsemble(ensembleText).servers.get(view.serverId) ?? null;
    // Whoever joins, or was removed, keeps the file that it can be started with.
    const isTold = self !== null && versionOf(ensembleText) > 0n;
    if (configurationFile !== null && isTold) {
      await this.#orSaid('the configuration files could not be brought up to date', () =>
        writeMembers(environment.disk, configurationFile, ensembleText, self),
      );
    }
    const before = this.#clientAddress;
    const now = self?.clientAddress ?? null;
    // Who is no member for a while, or whose line says nothing of it, stays where it is.
    if (now === null || (now.host === before?.host && now.port === before.port)) return;
    this.#clientAddress = now;
    await this.#orSaid('clients cannot be served at the new address', async () => {
      await this.#parts.rebind(now.host, now.port);
      environment.log.info('clients are served at another address', { ...now });
    });
  }

  /** What fails here is no reason to stop serving. */
  async #orSaid(what: string, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.#parts.environment.log.error(what, { error });
    }
  }
}
