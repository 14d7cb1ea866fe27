/**
 * From an accepted socket to a connection over TLS.
 *
 * Handshakes are bounded in time and number, in all and for each address, because whoever listens
 * hears of a connection only afterwards. A connection that begins with something else than a
 * handshake is handed on as a plain one where that is allowed, with the bytes that were looked at
 * still in front.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { ServerTls, TlsSession } from '../environment.ts';
import type { Log } from '../log.ts';
import { contextOptions, sessionOf, tlsReasonOf } from './tls-options.ts';

/** Handshakes of one listener going on at once; beyond it new connections are cut. */
const HANDSHAKES_MAX = 1024;
/** The first byte of a TLS connection: a record of the handshake. No frame of ours begins so. */
const HANDSHAKE_RECORD = 0x16;

/** @param session null for a plain connection */
type Established = (socket: Socket, session: TlsSession | null) => void;

export class TlsAcceptor {
  readonly #server: Server;
  readonly #log: Log;
  readonly #where: string;
  readonly #established: Established;
  #tls: ServerTls;
  /** What ends the counting of a handshake, by the peer's address and port. */
  readonly #pending = new Map<string, () => void>();
  readonly #countByAddress = new Map<string, number>();

  /** @throws UnusableTls */
  constructor(tls: ServerTls, log: Log, where: string, established: Established) {
    this.#tls = tls;
    this.#log = log;
    this.#where = where;
    this.#established = established;
    this.#server = createServer({
      ...contextOptions(tls),
      requestCert: tls.clientAuthentication !== 'none',
      // With `want` it is looked at below: to Node, showing none is as bad as showing a wrong one.
      rejectUnauthorized: tls.clientAuthentication === 'need',
      handshakeTimeout: tls.handshakeMsMax,
    });
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => {
      this.#refused(socket.remoteAddress, tlsReasonOf(error));
      socket.destroy();
    });
  }

  /** @throws UnusableTls */
  renew(tls: ServerTls): void {
    this.#server.setSecureContext(contextOptions(tls));
    this.#tls = tls;
  }

  /** @param accepted a paused socket of which nothing was read yet */
  take(accepted: Socket): void {
    const { remoteAddress: address } = accepted;
    accepted.on('error', () => undefined); // The closing that follows says enough.
    if (address === undefined) {
      accepted.destroy(); // Gone already.
      return;
    }
    const { handshakesPerAddressMax, alsoPlain } = this.#tls;
    const ofAddress = this.#countByAddress.get(address) ?? 0;
    if (this.#pending.size >= HANDSHAKES_MAX || ofAddress >= handshakesPerAddressMax) {
      this.#refused(address, 'too many handshakes are going on');
      accepted.destroy();
      return;
    }
    this.#begin(accepted, address, ofAddress);
    if (alsoPlain) this.#lookAt(accepted);
    else this.#shakeHands(accepted);
  }

  #shakeHands(accepted: Socket): void {
    accepted.allowHalfOpen = false; // Half a handshake is none.
    this.#server.emit('connection', accepted);
  }

  /** Counts until the handshake is done or the connection gone. */
  #begin(accepted: Socket, address: string, ofAddress: number): void {
    const peer = nameOf(accepted);
    this.#countByAddress.set(address, ofAddress + 1);
    const done = (): void => {
      if (!this.#pending.delete(peer)) return;
      const left = (this.#countByAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#countByAddress.set(address, left);
      else this.#countByAddress.delete(address);
    };
    this.#pending.set(peer, done);
    accepted.once('close', done);
  }

  /** Decides by the first byte; it stays in front of what is read next. */
  #lookAt(accepted: Socket): void {
    const giveUp = (): void => {
      this.#refused(accepted.remoteAddress, 'nothing came');
      accepted.destroy();
    };
    const timeout = setTimeout(giveUp, this.#tls.handshakeMsMax);
    const look = (): void => {
      const chunk: Buffer | null = accepted.read();
      if (chunk === null) return; // The end, which is told by itself.
      stopLooking();
      accepted.unshift(chunk);
      if (chunk[0] === HANDSHAKE_RECORD) this.#shakeHands(accepted);
      else this.#hand(accepted, null);
    };
    const ended = (): void => {
      accepted.destroy();
    };
    const stopLooking = (): void => {
      clearTimeout(timeout);
      accepted.off('readable', look).off('end', ended).off('close', stopLooking);
    };
    accepted.on('readable', look).on('end', ended).on('close', stopLooking);
  }

  #secured(socket: TLSSocket): void {
    if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) {
      this.#refused(socket.remoteAddress, String(socket.authorizationError));
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    this.#hand(socket, sessionOf(socket));
  }

  #hand(socket: Socket, session: TlsSession | null): void {
    this.#pending.get(nameOf(socket))?.();
    this.#established(socket, session);
  }

  #refused(address: string | undefined, reason: string): void {
    this.#log.warn('no TLS connection', { listener: this.#where, peer: address ?? null, reason });
  }
}

/** The same for a socket and for the one over TLS on top of it. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
