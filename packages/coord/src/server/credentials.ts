/**
 * Who the client of one connection is, and what it has asked for its session: earned by auth packets
 * and SASL, at once and outside the order of requests, so that whatever stands behind sees it.
 */
import {
  authPacket,
  zookeeperErrorCodes as errors,
  type Reader,
  saslRequest,
  saslResponse,
} from '@odradek/protocol/zookeeper';
import type { Connection, Log, Random } from '@odradek/runtime';
import type { Identity } from '../core/tree/acl.ts';
import {
  type AuthenticationOptions,
  authenticate,
  initialIdentities,
  isLetIn,
  withIdentities,
} from './authentication.ts';
import type { Outbox } from './outbox.ts';
import { SaslSession } from './sasl-session.ts';
import type { ServerStats } from './server-stats.ts';
import { OPTIONS_SCHEME, readSessionOptions } from './session-options.ts';

export interface CredentialsParts {
  readonly authentication: AuthenticationOptions;
  readonly linearizableReads: boolean;
  readonly random: Random;
  readonly log: Log;
  readonly stats: ServerStats;
}

/** What an attempt came to. */
export interface Attempt {
  /** Size of the answer that was written, in bytes; null when there is none. */
  readonly answerBytes: number | null;
  /** Whether the connection is to end. */
  readonly ends: boolean;
}

export class Credentials {
  identities: readonly Identity[];
  /** Whether reads wait until it is certain that nothing newer was acknowledged. */
  linearizableReads: boolean;
  readonly #parts: CredentialsParts;
  readonly #outbox: Outbox;
  readonly #peer: string;
  /** Made when the client begins with it. */
  #sasl: SaslSession | null = null;

  constructor(connection: Connection, peer: string, outbox: Outbox, parts: CredentialsParts) {
    this.#parts = parts;
    this.#outbox = outbox;
    this.#peer = peer;
    this.identities = initialIdentities(connection, parts.authentication);
    this.linearizableReads = parts.linearizableReads;
  }

  /** Whether requests are answered, other than those that authenticate. */
  get isLetIn(): boolean {
    return isLetIn(this.identities, this.#parts.authentication);
  }

  /** Takes an auth packet. @throws MalformedMessage */
  authenticate(xid: number, frame: Reader): Attempt {
    const { stats, authentication, log } = this.#parts;
    const { scheme, auth } = authPacket.decodeFrom(frame);
    const options = scheme === OPTIONS_SCHEME ? readSessionOptions(auth) : null;
    if (options !== null) {
      this.linearizableReads = options.linearizableReads;
      return this.#answered(xid, 0);
    }
    const earned = authenticate(scheme, auth, authentication, this.identities);
    if (earned === 'refused' || earned === 'cut') {
      stats.authFailures += 1;
      log.warn('authentication failed', { peer: this.#peer, scheme });
      return earned === 'refused'
        ? this.#answered(xid, errors.AUTH_FAILED)
        : { answerBytes: null, ends: true };
    }
    this.identities = withIdentities(this.identities, earned);
    return this.#answered(xid, 0);
  }

  /** Takes a step of SASL. @throws MalformedMessage */
  saslStep(xid: number, frame: Reader): Attempt {
    const { stats, authentication, log, random } = this.#parts;
    this.#sasl ??= new SaslSession(authentication, random);
    const { err, earned, failure, token } = this.#sasl.step(saslRequest.decodeFrom(frame).token);
    if (failure !== null) {
      stats.authFailures += 1;
      log.warn('SASL failed', { peer: this.#peer, reason: failure });
    }
    this.identities = withIdentities(this.identities, earned);
    const answer = saslResponse.encode({ token });
    return { answerBytes: this.#outbox.chunksWithoutZxid(xid, err, answer), ends: err !== 0 };
  }

  #answered(xid: number, err: number): Attempt {
    return { answerBytes: this.#outbox.bareWithZxid(xid, 0n, err), ends: err !== 0 };
  }
}
