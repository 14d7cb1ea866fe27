/** The command-line tools, for programs that want to run one in their own process. */
export type { CommandContext, Tool } from './context.ts';
export { toolNames, tools } from './tools.ts';
