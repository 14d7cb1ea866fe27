/**
 * Turns the declaration of one message into an encoder and a decoder for one version, by writing
 * their source and having the engine compile it. That runs as fast as codecs written by hand, where
 * walking the declaration for each message takes half as long again.
 */
import { MalformedMessage, UnencodableValue } from '../errors.ts';
import type { Reader } from '../wire/reader.ts';
import { readText, readUuid, writeUuid } from '../wire/text.ts';
import type { Writer } from '../wire/writer.ts';
import { writeDecoder } from './decode-source.ts';
import { writeEncoder } from './encode-source.ts';
import type { MemberNode } from './node.ts';
import { Source, type Target } from './source.ts';

export type Encode = (writer: Writer, body: unknown) => void;
export type Decode = (reader: Reader) => unknown;

/**
 * Compiles the encoder of one version of a message.
 * @param title name and version, for error messages
 */
export function compileEncoder(
  title: string,
  members: readonly MemberNode[],
  target: Target,
): Encode {
  const source = new Source();
  writeEncoder(source, members, target);
  return instantiate('w, m', source, encoderTools(title)) as Encode;
}

/** Compiles the decoder of one version of a message. */
export function compileDecoder(
  title: string,
  members: readonly MemberNode[],
  target: Target,
): Decode {
  const source = new Source();
  writeDecoder(source, members, target);
  return instantiate('r', source, decoderTools(title)) as Decode;
}

function instantiate(
  parameters: string,
  source: Source,
  tools: Readonly<Record<string, unknown>>,
): unknown {
  const names = ['k', ...Object.keys(tools)];
  const text = `'use strict'; return function (${parameters}) {\n${source.text}\n};`;
  return new Function(...names, text)(source.constants, ...Object.values(tools));
}

/** What the source of an encoder calls by name. */
function encoderTools(title: string) {
  return {
    writeUuid,
    writeBigint64,
    totalSize,
    isBuffer: Buffer.isBuffer,
    bad(path: string, wanted: string, value: unknown): never {
      throw new UnencodableValue(`${title}: ${path} is ${show(value)}, which is no ${wanted}`);
    },
    lacks(path: string, value: unknown): never {
      throw new UnencodableValue(`${title} has no field ${path}, which is ${show(value)}`);
    },
  };
}

/** What the source of a decoder calls by name. */
function decoderTools(title: string) {
  return {
    readText,
    readUuid,
    readBigint64,
    short(path: string, position: number): never {
      throw new MalformedMessage(`${title}: ${path} at byte ${position} is cut short`);
    },
    malformed(path: string, position: number): never {
      throw new MalformedMessage(`${title}: ${path} before byte ${position} is not possible`);
    },
    far(path: string, position: number): never {
      throw new MalformedMessage(`${title}: ${path} near byte ${position} is beyond 2^53`);
    },
  };
}

/** Numbers that fit are converted as plain ones: that takes half the time. */
function readBigint64(buffer: Buffer, at: number): bigint {
  const value = buffer.readInt32BE(at) * 0x100000000 + buffer.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? BigInt(value) : buffer.readBigInt64BE(at);
}

function writeBigint64(writer: Writer, at: number, value: bigint): boolean {
  if (BigInt.asIntN(64, value) !== value) return false;
  writer.view.setBigInt64(at, value);
  return true;
}

/** The size of all buffers together; -1 when something else is among them. */
function totalSize(buffers: readonly unknown[]): number {
  let sizeBytes = 0;
  for (const buffer of buffers) {
    if (!Buffer.isBuffer(buffer)) return -1;
    sizeBytes += buffer.length;
  }
  return sizeBytes;
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value);
}
