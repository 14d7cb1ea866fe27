/** One page over HTTP with all metrics in Prometheus' text form. For operators' networks: there is no access control. */
import { createServer } from 'node:http';
import { AddressInUse } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

export interface MetricsPage {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`.
 * @param port 0 takes any free one
 * @throws AddressInUse when the port cannot be had
 */
export function serveMetrics(
  metrics: Metrics,
  { host, port }: { readonly host: string | null; readonly port: number },
): Promise<MetricsPage> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response
        .writeHead(404, { 'content-type': 'text/plain' })
        .end('The metrics are at /metrics.\n');
      return;
    }
    metrics.render().then(
      (page) => {
        response
          .writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
          .end(page);
      },
      () => response.writeHead(500).end(),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new AddressInUse(`${host ?? '*'}:${port}`, { cause }));
    });
    server.listen({ port, ...(host !== null && { host }) }, () => {
      server.unref();
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}
