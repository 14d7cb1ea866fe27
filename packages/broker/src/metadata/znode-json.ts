/**
 * Reading the JSON that other brokers and tools left in znodes: text in, typed values out, and an
 * error that names the znode when it is not what it must be. Unknown keys are ignored.
 */
import { OdradekError } from '@odradek/runtime';

/** A znode holds something that no Kafka writes there. */
export class MalformedZnode extends OdradekError {
  override readonly name = 'MalformedZnode';
  readonly code = 'MALFORMED_ZNODE';
  readonly retriable = false;
  readonly path: string;
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`znode ${path}: ${reason}`, options);
    this.path = path;
  }
}

/** A JSON object of a znode, read field by field. */
export class ZnodeObject {
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(path: string, fields: Readonly<Record<string, unknown>>) {
    this.#path = path;
    this.#fields = fields;
  }

  /** @throws MalformedZnode when `data` is not the text of a JSON object */
  static parse(path: string, data: Buffer): ZnodeObject {
    let value: unknown;
    try {
      value = JSON.parse(data.toString('utf8'));
    } catch (cause) {
      throw new MalformedZnode(path, 'not JSON', { cause });
    }
    return ZnodeObject.#of(path, value);
  }

  static #of(path: string, value: unknown): ZnodeObject {
    if (!isObject(value)) throw new MalformedZnode(path, 'not a JSON object');
    return new ZnodeObject(path, value);
  }

  has(key: string): boolean {
    return this.#fields[key] !== undefined && this.#fields[key] !== null;
  }

  keys(): readonly string[] {
    return Object.keys(this.#fields);
  }

  /** An integer; some writers put numbers between quotes. */
  int(key: string, otherwise?: number): number {
    const value = this.#fields[key];
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    if (typeof value === 'string' && /^-?\d{1,15}$/.test(value)) return Number(value);
    if (value === undefined && otherwise !== undefined) return otherwise;
    return this.#refuse(key, 'an integer');
  }

  /** An integer of up to 64 bits, written as text. */
  bigint(key: string): bigint {
    const value = this.#fields[key];
    if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value);
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    return this.#refuse(key, 'an integer');
  }

  text(key: string): string {
    const value = this.#fields[key];
    return typeof value === 'string' ? value : this.#refuse(key, 'text');
  }

  textOrNull(key: string): string | null {
    return this.has(key) ? this.text(key) : null;
  }

  texts(key: string): readonly string[] {
    const value = this.#fields[key];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    return this.#refuse(key, 'a list of texts');
  }

  ints(key: string): readonly number[] {
    const value = this.#fields[key];
    if (Array.isArray(value) && value.every((item) => Number.isSafeInteger(item))) return value;
    return this.#refuse(key, 'a list of integers');
  }

  object(key: string): ZnodeObject {
    const value = this.#fields[key];
    return isObject(value) ? new ZnodeObject(this.#path, value) : this.#refuse(key, 'an object');
  }

  objects(key: string): readonly ZnodeObject[] {
    const value = this.#fields[key];
    if (!Array.isArray(value)) return this.#refuse(key, 'a list of objects');
    return value.map((item) => ZnodeObject.#of(this.#path, item));
  }

  /** An object whose values are all texts, as a map; numbers and booleans become text. */
  textMap(key: string): Map<string, string> {
    const fields = this.object(key);
    const map = new Map<string, string>();
    for (const name of fields.keys()) {
      const value = fields.#fields[name];
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
        return this.#refuse(key, 'an object of texts');
      map.set(name, String(value));
    }
    return map;
  }

  #refuse(key: string, wanted: string): never {
    throw new MalformedZnode(this.#path, `"${key}" is not ${wanted}`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
