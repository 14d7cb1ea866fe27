/**
 * The check every control request (LeaderAndIsr, StopReplica, UpdateMetadata) passes first: it must
 * come from the newest controller this broker has heard of, and be meant for this life of the broker.
 *
 * One instance per broker, shared by the three handlers, because a newer controller epoch seen in
 * one kind of request fences older controllers in all kinds.
 */

/** The two fields by which control requests are fenced. */
export interface ControlRequestEpochs {
  readonly controllerEpoch: number;
  /** The epoch the controller believes this broker to have; -1 when it does not say. */
  readonly brokerEpoch: number;
}

export class ControlFence {
  #controllerEpoch = 0;
  readonly #brokerEpoch: () => number | null;

  /** @param brokerEpoch this broker's own epoch now; null while it is not registered */
  constructor(brokerEpoch: () => number | null) {
    this.#brokerEpoch = brokerEpoch;
  }

  /** The largest controller epoch that was let through. */
  get controllerEpoch(): number {
    return this.#controllerEpoch;
  }

  /** Remembers the request's controller epoch, or says why the request must be refused. */
  admit(request: ControlRequestEpochs): 'STALE_BROKER_EPOCH' | 'STALE_CONTROLLER_EPOCH' | null {
    const own = this.#brokerEpoch();
    // The controller can know a newer epoch than we do: our registration is being confirmed.
    if (own !== null && request.brokerEpoch !== -1 && request.brokerEpoch < own)
      return 'STALE_BROKER_EPOCH';
    if (request.controllerEpoch < this.#controllerEpoch) return 'STALE_CONTROLLER_EPOCH';
    this.#controllerEpoch = request.controllerEpoch;
    return null;
  }
}
