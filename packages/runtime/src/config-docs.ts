/** The docs page of a configuration table. */
import { type ConfigDefinition, type ConfigTable, configText } from './config-table.ts';
import { allowedValues, type ConfigType, type ValueRule } from './config-value.ts';

/** @returns Markdown that ends in a newline; its first line says that it is generated */
export function renderConfigDocs(
  table: ConfigTable,
  { title, introduction }: { readonly title: string; readonly introduction: string },
): string {
  const rows = Object.entries(table).map(([key, definition]) => row(key, definition));
  return [
    '<!-- Generated from the configuration table: change the table, not this page. -->',
    `# ${title}`,
    '',
    introduction,
    '',
    '| key | type | default | must be | changes | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function row(key: string, definition: ConfigDefinition): string {
  const names = [key, ...(definition.aliases ?? [])].map((name) => `\`${name}\``).join(', ');
  const cells = [
    names,
    definition.type,
    defaultOf(definition),
    allowedValues(definition as ValueRule<ConfigType>),
    changeOf(definition),
    definition.doc,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultOf(definition: ConfigDefinition): string {
  if (definition.default === undefined) return 'required';
  const text = configText(definition, definition.default);
  if (text === null) return 'unset';
  return text === '' ? 'empty' : `\`${text}\``;
}

function changeOf({ dynamic }: ConfigDefinition): string {
  if (dynamic === undefined || dynamic === false || dynamic === 'read-only') return 'by restart';
  return dynamic === true ? 'while running' : `while running, ${dynamic}`;
}
