/** The docs page of metric tables. */
import type { MetricTable } from './metrics.ts';

/** @returns Markdown that ends in a newline; its first line says that it is generated */
export function renderMetricDocs(
  tables: readonly MetricTable[],
  { title, introduction }: { readonly title: string; readonly introduction: string },
): string {
  const rows = tables.flatMap((table) =>
    Object.entries(table).map(([name, { kind, labels, help }]) => {
      const names = (labels ?? []).map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${kind} | ${names} | ${help.replaceAll('|', '\\|')} |`;
    }),
  );
  return [
    '<!-- Generated from the metric tables: change the tables, not this page. -->',
    `# ${title}`,
    '',
    introduction,
    '',
    '| metric | kind | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
