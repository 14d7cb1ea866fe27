/** Paths between a caller, who sees them under the chroot, and the server. Pure. */
import { underChroot, withoutChroot } from '../coordinator-session/connect-string.ts';
import type { Operation } from './operations.ts';

export interface Rooted<Body> {
  /** As the caller wrote it; null for an operation on no path. */
  readonly path: string | null;
  /** As the server knows it. */
  readonly full: string | null;
  /** The body with the server's path in it. */
  readonly asked: Body;
}

export function rooted<Body, Answer>(
  { pathField }: Operation<Body, Answer>,
  body: Body,
  chroot: string,
): Rooted<Body> {
  if (pathField === null || typeof body !== 'object' || body === null)
    return { path: null, full: null, asked: body };
  const path: unknown = Reflect.get(body, pathField);
  if (typeof path !== 'string') return { path: null, full: null, asked: body };
  const full = underChroot(chroot, path);
  return { path, full, asked: { ...body, [pathField]: full } };
}

/** The answer with its paths as seen under the chroot. */
export function unrooted<Body, Answer>(
  { answerField }: Operation<Body, Answer>,
  answer: Answer,
  chroot: string,
): Answer {
  if (answerField === null || chroot === '' || typeof answer !== 'object' || answer === null)
    return answer;
  const found: unknown = Reflect.get(answer, answerField);
  const seen = Array.isArray(found)
    ? found.map((path: string) => withoutChroot(chroot, path))
    : withoutChroot(chroot, String(found));
  return { ...answer, [answerField]: seen };
}
