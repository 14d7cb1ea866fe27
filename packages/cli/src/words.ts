/**
 * Splits a line of ZooKeeper's shell into words, by that shell's rules: blanks part words; a word that
 * begins with a quote goes to the next such quote, and loses both; anywhere else a quote is an ordinary
 * character; a quote that nothing closes is passed over.
 */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']\S*)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
}
