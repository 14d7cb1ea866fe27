/** The three ways in which the shell shows a node's data. Pure. */

/** What stands for data that is null. */
const NO_DATA = Buffer.from('null');
const ROW_BYTES = 16;
const RULE = `+${'-'.repeat(8)}+${'-'.repeat(49)}+${'-'.repeat(16)}+`;

/** The bytes as they are. */
export function asText(data: Buffer | null): Buffer {
  return data ?? NO_DATA;
}

export function asBase64(data: Buffer | null): Buffer {
  return Buffer.from(asText(data).toString('base64'));
}

/** Offset, sixteen bytes, and their printable characters; nothing for no bytes. */
export function asHexDump(data: Buffer | null): Buffer {
  const bytes = asText(data);
  if (bytes.length === 0) return Buffer.alloc(0);
  const columns = Array.from({ length: ROW_BYTES }, (_, column) => `  ${column.toString(16)}`);
  const lines = [
    `         +${'-'.repeat(49)}+`,
    `         |${columns.join('')} |`,
    RULE,
    ...Array.from({ length: Math.ceil(bytes.length / ROW_BYTES) }, (_, row) => rowOf(bytes, row)),
    RULE,
  ];
  return Buffer.from(lines.join('\n'));
}

function rowOf(bytes: Buffer, row: number): string {
  const offset = row * ROW_BYTES;
  const cells = bytes.subarray(offset, offset + ROW_BYTES);
  const hex = [...cells].map((byte) => ` ${byte.toString(16).padStart(2, '0')}`).join('');
  const text = [...cells]
    .map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '.'))
    .join('');
  return `|${offset.toString(16).padStart(8, '0')}|${hex.padEnd(ROW_BYTES * 3)} |${text.padEnd(ROW_BYTES)}|`;
}
