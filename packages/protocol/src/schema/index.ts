/** What users of messages need of the schema machinery; declarations import its files directly. */
export {
  type BodyOf,
  DataMessage,
  type InputOf,
  JuteRecord,
  Message,
  type MessageSpec,
} from './api.ts';
export { messageToJson } from './json.ts';
export type { VersionRange } from './node.ts';
