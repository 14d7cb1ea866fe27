/** UpdateMetadata (key 6): the controller says who is alive and who leads. */
import { apis, errorCodes } from '@odradek/protocol';
import type { ControlFence } from '../metadata/control-fence.ts';
import type { MetadataCache } from '../metadata/metadata-cache.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function updateMetadataHandler({
  metadata,
  fence,
}: {
  readonly metadata: MetadataCache;
  readonly fence: ControlFence;
}): RegisteredHandler {
  return handler(apis.updateMetadata, [0, 8], (request) => {
    const refusal = fence.admit(request);
    if (refusal !== null) return { errorCode: errorCodes[refusal] };
    metadata.apply(request);
    return { errorCode: errorCodes.NONE };
  });
}
