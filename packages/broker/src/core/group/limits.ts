/**
 * How much clients can make a group coordinator remember. Every number has a unit in its name and counts memory as the
 * coordinator estimates it: text at two bytes a character, and a fixed price for each thing with its tables.
 *
 * Kafka bounds the members of a group (`group.max.size`), the text beside an offset (`offset.metadata.max.bytes`) and
 * the record of a group (the topic's `max.message.bytes`), the first of which is off by default; all else that is here
 * it leaves unbounded. What one client did by itself is answered with an error that is final; what others filled up, with
 * one that asks to try again.
 */
export interface GroupLimits {
  /** One member: its ids and everything that it offers. Beyond: GROUP_MAX_SIZE_REACHED. */
  readonly memberMaxBytes: number;
  /** All members of one group. Beyond: GROUP_MAX_SIZE_REACHED. */
  readonly groupMaxBytes: number;
  /** Member ids of one group that were handed out and not used yet. Beyond: the oldest is forgotten. */
  readonly handedOutIdsMax: number;
  /** Static members of one group whose new id is being written. Beyond: COORDINATOR_NOT_AVAILABLE. */
  readonly returnsInFlightMax: number;
  /** All groups of a broker with their members. Beyond: COORDINATOR_NOT_AVAILABLE for whoever is new. */
  readonly groupsMaxBytes: number;
  /** All committed offsets of a broker. Beyond: COORDINATOR_NOT_AVAILABLE for partitions without one. */
  readonly offsetsMaxBytes: number;
}

const MIB = 1024 * 1024;

export const groupLimits: GroupLimits = {
  memberMaxBytes: MIB,
  groupMaxBytes: 16 * MIB,
  handedOutIdsMax: 1_000,
  returnsInFlightMax: 1_000,
  groupsMaxBytes: 256 * MIB,
  offsetsMaxBytes: 256 * MIB,
};

/** Characters of the client's or the instance's name at the head of a new member id. */
export const MEMBER_ID_PREFIX_MAX_CHARS = 255;

export const BYTES_PER_CHAR = 2;
/** A group without members and offsets, with its tables. */
export const GROUP_OVERHEAD_BYTES = 3_500;
/** A member, or an id that was handed out, without its texts. */
export const MEMBER_OVERHEAD_BYTES = 500;
/** One strategy in a member's list. */
export const PROTOCOL_OVERHEAD_BYTES = 150;
/** One committed offset. */
export const OFFSET_OVERHEAD_BYTES = 200;
/** A topic in which a group has offsets. */
export const TOPIC_OVERHEAD_BYTES = 300;

/**
 * A count of bytes against a limit, shared by what is to stay below it together. Who lets something in asks first; what
 * was stored before a restart is taken in even when there is no room.
 */
export class Room {
  readonly limitBytes: number;
  readonly #refuses: () => void;
  #usedBytes = 0;
  #isFull = false;

  /** @param refuses called when the first is refused, and again only after a tenth had become free in between */
  constructor(limitBytes: number, refuses: () => void = () => undefined) {
    this.limitBytes = limitBytes;
    this.#refuses = refuses;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whoever is told that there is no room has to be refused. */
  has(bytes: number): boolean {
    if (bytes <= 0 || this.#usedBytes + bytes <= this.limitBytes) return true;
    if (!this.#isFull) this.#refuses();
    this.#isFull = true;
    return false;
  }

  /** @param bytes fewer than 0 gives room back */
  take(bytes: number): void {
    this.#usedBytes += bytes;
    if (this.#usedBytes < this.limitBytes * 0.9) this.#isFull = false;
  }
}
