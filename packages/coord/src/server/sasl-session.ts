/**
 * SASL on one connection: which exchange is going on, and what a step of it comes to for the client.
 * Not here: the exchange itself (../security/digest-md5.ts), replies (client-connection.ts).
 */
import { zookeeperErrorCodes as errors } from '@odradek/protocol/zookeeper';
import type { Random } from '@odradek/runtime';
import type { Identity } from '../core/tree/acl.ts';
import { DigestMd5Exchange } from '../security/digest-md5.ts';
import { type AuthenticationOptions, saslIdentities } from './authentication.ts';

const NONCE_BYTES = 24;

export interface SaslOutcome {
  /** For the client; null with err 0 says that there is no SASL, or that it stays a nobody. */
  readonly token: Buffer | null;
  /** Not 0: this is told, and then the connection ends. */
  readonly err: number;
  readonly earned: readonly Identity[];
  /** For the log; null when nothing went wrong. */
  readonly failure: string | null;
}

const nothing: SaslOutcome = { token: null, err: 0, earned: [], failure: null };

export class SaslSession {
  readonly #options: AuthenticationOptions;
  readonly #random: Random;
  #exchange: DigestMd5Exchange | null = null;

  constructor(options: AuthenticationOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  step(token: Buffer | null): SaslOutcome {
    const { sasl } = this.#options;
    if (sasl === null) return nothing;
    this.#exchange ??= new DigestMd5Exchange(
      sasl.users,
      this.#random.bytes(NONCE_BYTES).toString('base64'),
    );
    const step = this.#exchange.step(token ?? Buffer.alloc(0));
    switch (step.kind) {
      case 'continue':
        return { ...nothing, token: step.token };
      case 'done':
        return { ...nothing, token: step.token, earned: saslIdentities(step.user, sasl) };
      case 'failed':
        return this.#failed(step.reason, sasl.allowFailed);
    }
  }

  #failed(failure: string, allowFailed: boolean): SaslOutcome {
    const isRequired = this.#options.enforcedSchemes.has('sasl');
    if (isRequired) return { ...nothing, failure, err: errors.SESSION_CLOSED_REQUIRE_SASL_AUTH };
    return { ...nothing, failure, err: allowFailed ? 0 : errors.AUTH_FAILED };
  }
}
