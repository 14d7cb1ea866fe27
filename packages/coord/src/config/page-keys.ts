/** Keys of zoo.cfg about the pages for operators: admin commands, and metrics for Prometheus. */
import { atLeast, between, defineConfig } from '@odradek/runtime';

const PORT_MAX = 65_535;

/** The class that stands for a page of metrics. */
export const prometheusProvider =
  'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider';

export const pageKeys = defineConfig({
  'admin.enableServer': {
    type: 'boolean',
    default: false,
    doc: 'Whether there are admin pages: the four-letter words as JSON over HTTP. The original has them by default up to 3.9 and no longer after it.',
  },
  'admin.serverAddress': {
    type: 'string',
    default: '0.0.0.0',
    doc: 'Address of the admin pages. They have no access control.',
  },
  'admin.serverPort': {
    type: 'int',
    default: 8080,
    validate: between(0, PORT_MAX),
    doc: 'Their port; 0 takes any free one. If it is taken the server goes on without them.',
  },
  'admin.commandURL': {
    type: 'string',
    default: '/commands',
    doc: 'The path below which the commands are.',
  },
  'admin.idleTimeout': {
    type: 'int',
    default: 30_000,
    validate: atLeast(1),
    doc: 'Time after which an idle connection of an admin client is closed, in ms.',
  },
  'metricsProvider.className': {
    type: 'string',
    default: 'org.apache.zookeeper.metrics.impl.DefaultMetricsProvider',
    doc: `\`${prometheusProvider}\`: metrics are a page for Prometheus as well.`,
  },
  'metricsProvider.httpHost': {
    type: 'string',
    default: '0.0.0.0',
    doc: 'Address of the page of metrics.',
  },
  'metricsProvider.httpPort': {
    type: 'int',
    default: 7000,
    validate: between(0, PORT_MAX),
    doc: 'Its port; the page is at `/metrics`. If it is taken the server goes on without it.',
  },
  'metricsProvider.exportJvmInfo': {
    type: 'boolean',
    default: true,
    doc: 'Whether the page tells of the process as well.',
  },
});
