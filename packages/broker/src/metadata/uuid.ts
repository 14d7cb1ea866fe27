/** Kafka's way to write a uuid: URL-safe base64 of its 16 bytes, 22 characters. */
import type { Random } from '@odradek/runtime';

/** A random (version 4) uuid. Never one that begins with a dash: tools would take it for an option. */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = random.bytes(16);
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const text = bytes.toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}
