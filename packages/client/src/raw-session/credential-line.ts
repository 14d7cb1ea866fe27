/**
 * The credentials of a session: every link is shown all of them, in order, and the server answers in
 * that order. Whoever added some waits for the first answer to them. Pure.
 */
import { MalformedMessage } from '@odradek/protocol';

interface Credentials {
  readonly scheme: string;
  readonly auth: Buffer | null;
  waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null;
}

export class CredentialLine {
  readonly #send: (scheme: string, auth: Buffer | null) => void;
  readonly #all: Credentials[] = [];
  /** Sent on this link and not answered yet. */
  readonly #unanswered: Credentials[] = [];

  constructor(send: (scheme: string, auth: Buffer | null) => void) {
    this.#send = send;
  }

  /** Resolves when the server has taken them. */
  add(scheme: string, auth: Buffer | null, hasLink: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const credentials = { scheme, auth, waiting: { resolve, reject } };
      this.#all.push(credentials);
      if (hasLink) this.#show(credentials);
    });
  }

  /** A link stands. */
  sendAll(): void {
    for (const credentials of this.#all) this.#show(credentials);
  }

  /** The link is gone. */
  unsend(): void {
    this.#unanswered.length = 0;
  }

  /**
   * The server has answered the oldest ones.
   * @returns what tells whoever waits for them; null is success
   * @throws MalformedMessage when none were sent
   */
  answered(): (failure: Error | null) => void {
    const credentials = this.#unanswered.shift();
    if (credentials === undefined) throw new MalformedMessage('an answer to no credentials');
    const { waiting } = credentials;
    credentials.waiting = null;
    return (failure) => (failure === null ? waiting?.resolve() : waiting?.reject(failure));
  }

  /** Nobody need wait any longer. The credentials stay, for links to come. */
  fail(makeError: () => Error): void {
    for (const credentials of this.#all) {
      credentials.waiting?.reject(makeError());
      credentials.waiting = null;
    }
  }

  #show(credentials: Credentials): void {
    this.#unanswered.push(credentials);
    this.#send(credentials.scheme, credentials.auth);
  }
}
