/** kafka-server-stop and zookeeper-server-stop: ask every such daemon on this machine to stop, and do not wait. */
import type { Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';

function stopper(name: string, daemon: string, what: string): Tool {
  return {
    name,
    description: `Stops every ${what} of this machine.`,
    usage: () => `USAGE: ${name}\n`,
    wantsWords: false,
    reportsSignal: false,
    logging: toolLogging,
    async run(_words, { processes, stdout, variables }) {
      // The word after main.js says which daemon it is; a shell or an editor that names it elsewhere is not one.
      const pattern = new RegExp(`^\\S*node\\S* (?:-\\S+ )*\\S*main\\.js ${daemon} `);
      const running = (await processes.list()).filter(({ commandLine }) =>
        pattern.test(`${commandLine} `),
      );
      if (running.length === 0) {
        await stdout(`No ${what} to stop\n`);
        return 1;
      }
      for (const { pid } of running) processes.signal(pid, variables.SIGNAL ?? 'TERM');
      return 0;
    },
  };
}

export const kafkaServerStop = stopper('kafka-server-stop', 'kafka-server-start', 'kafka server');
export const zookeeperServerStop = stopper(
  'zookeeper-server-stop',
  'zookeeper-server-start',
  'zookeeper server',
);
