/**
 * What can be done to an ensemble of real processes, by name: kills, pauses, slow disks and, in a network of its own,
 * cut links. A fault begins, lasts, and ends; afterwards everything is as it was. Whether servers and clients bear
 * it is for the test to judge.
 */
import type { Ensemble, Member } from './ensemble.ts';
import type { Network } from './network.ts';

export interface Fault {
  readonly name: string;
  /** A quorum is left that can see each other: writes go on meanwhile. */
  readonly leavesQuorum: boolean;
  /** @returns what was done, and what undoes it */
  begin(): Promise<{ readonly what: string; readonly end: () => Promise<void> }>;
}

const SLOW_SYNC_MS = 400;

/** Kills, pauses and slow disks. Disks only when the ensemble has disks that can be slowed. */
export function processFaults(ensemble: Ensemble): readonly Fault[] {
  const faults: Fault[] = [];
  const add = (
    name: string,
    leavesQuorum: boolean,
    choose: () => Promise<readonly Member[]>,
    begin: (member: Member) => Promise<void> | void,
    end: (member: Member) => Promise<void> | void,
  ): void => {
    faults.push({
      name,
      leavesQuorum,
      begin: async () => {
        const members = await choose();
        await Promise.all(members.map(begin));
        return {
          what: `${name} (${members.map(({ id }) => `server ${id}`).join(', ')})`,
          end: async () => {
            await Promise.all(members.map(end));
          },
        };
      },
    });
  };
  const leader = async (): Promise<readonly Member[]> => [await ensemble.serving()];
  const follower = async (): Promise<readonly Member[]> => {
    const leading = await ensemble.serving();
    const others = ensemble.all.filter(({ id }) => id !== leading.id);
    const one = others[Math.floor(Math.random() * others.length)];
    return one === undefined ? [] : [one];
  };
  const everybody = async (): Promise<readonly Member[]> => ensemble.all;
  const kill = (member: Member): Promise<void> => member.kill();
  const start = (member: Member): void => member.start();
  const pause = (member: Member): void => member.pause();
  const resume = (member: Member): void => member.resume();
  add('kill -9 of the leader', true, leader, kill, start);
  add('kill -9 of a follower', true, follower, kill, start);
  add('kill -9 of all', false, everybody, kill, start);
  add('the leader stands still', true, leader, pause, resume);
  add('a follower stands still', true, follower, pause, resume);
  if (ensemble.all.every(({ disk }) => disk !== null)) {
    const slow = (member: Member): void => member.disk?.setDelay(SLOW_SYNC_MS);
    const quick = (member: Member): void => member.disk?.setDelay(0);
    add("the leader's disk is slow", true, leader, slow, quick);
    add('all disks are slow', true, everybody, slow, quick);
  }
  return faults;
}

/** Cuts between servers; clients reach all of them, unless the fault says so. */
export function linkFaults(ensemble: Ensemble, network: Network): readonly Fault[] {
  const ids = [...network.hosts.keys()];
  const others = (id: number): readonly number[] => ids.filter((other) => other !== id);
  const fault = (name: string, leavesQuorum: boolean, cut: (leader: number) => string): Fault => ({
    name,
    leavesQuorum,
    begin: async () => {
      const { id } = await ensemble.serving();
      const details = cut(id);
      return { what: `${name} (${details})`, end: async () => network.heal() };
    },
  });
  return [
    fault('the leader is cut off', true, (leader) => {
      network.cut([leader], others(leader));
      return `server ${leader}`;
    }),
    fault('the leader is not heard', true, (leader) => {
      for (const other of others(leader)) network.cutOneWay(leader, other);
      return `server ${leader}`;
    }),
    fault('the leader hears nothing', true, (leader) => {
      for (const other of others(leader)) network.cutOneWay(other, leader);
      return `server ${leader}`;
    }),
    fault("the leader's cable is out", true, (leader) => {
      network.unplug(leader);
      return `server ${leader}`;
    }),
    fault('a follower and the leader do not see each other', true, (leader) => {
      const [one = leader] = others(leader);
      network.cut([one], [leader]);
      return `servers ${one} and ${leader}`;
    }),
    fault('clients do not reach the leader', true, (leader) => {
      network.unplugClients(leader);
      return `server ${leader}`;
    }),
    fault('nobody sees anybody', false, () => {
      network.cut(ids, ids);
      return `${ids.length} servers`;
    }),
  ];
}
