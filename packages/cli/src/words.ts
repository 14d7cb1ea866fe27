/** Splits a line of a shell into words; single or double quotes keep spaces in a word, and are dropped. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  const pattern = /"([^"]*)"|'([^']*)'|(\S+)/g;
  for (const [, double, single, plain] of line.matchAll(pattern)) {
    words.push(double ?? single ?? plain ?? '');
  }
  return words;
}
