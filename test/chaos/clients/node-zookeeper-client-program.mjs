/**
 * A program as people write them with node-zookeeper-client: it holds an ephemeral node, keeps a watch on
 * /programs/beat, and counts in a node of its own. Says on standard output, one JSON object per line, what befalls it.
 * Ends when its standard input does.
 *
 *     node node-zookeeper-client-program.mjs HOSTS NAME TIMEOUT_MS
 */
import zookeeper from 'node-zookeeper-client';

const [hosts = '', name = '', timeout = ''] = process.argv.slice(2);
const RETRY_MS = 50;
const tell = (entry) => process.stdout.write(`${JSON.stringify(entry)}\n`);

const client = zookeeper.createClient(hosts, {
  sessionTimeout: Number(timeout),
  spinDelay: RETRY_MS,
  retries: 100,
});
let isEnding = false;
process.stdin.resume();
process.stdin.on('end', () => {
  isEnding = true;
  client.close();
  setTimeout(() => process.exit(0), RETRY_MS);
});

function watchBeat() {
  client.getData(
    '/programs/beat',
    () => watchBeat(),
    (error, data) => {
      if (error) setTimeout(watchBeat, RETRY_MS);
      else tell({ event: 'beat', number: Number(data.toString()) });
    },
  );
}

function count(number) {
  if (isEnding) return;
  client.setData(`/programs/count-${name}`, Buffer.from(String(number)), -1, (error) => {
    if (!error) tell({ event: 'counted', number });
    setTimeout(() => count(error ? number : number + 1), error ? RETRY_MS : RETRY_MS / 2);
  });
}

function make(path, data, mode, done) {
  client.create(path, Buffer.from(data), mode, (error) => {
    if (error && error.getCode?.() !== zookeeper.Exception.NODE_EXISTS) {
      setTimeout(() => make(path, data, mode, done), RETRY_MS);
    } else done();
  });
}

client.on('connected', () => tell({ event: 'connected' }));
client.on('disconnected', () => tell({ event: 'lost' }));
client.on('expired', () => tell({ event: 'expired' }));
client.once('connected', () => {
  make(`/programs/alive/${name}`, '', zookeeper.CreateMode.EPHEMERAL, () => {
    make(`/programs/count-${name}`, '0', zookeeper.CreateMode.PERSISTENT, () => {
      watchBeat();
      tell({ event: 'ready', session: `0x${client.getSessionId().toString('hex')}` });
      count(1);
    });
  });
});
client.connect();
