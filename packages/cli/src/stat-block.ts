/** The eleven lines in which ZooKeeper's shell shows a Stat. */
import type { Stat } from '@odradek/client';

export function renderStat(stat: Stat): string {
  const lines = [
    `cZxid = 0x${stat.czxid.toString(16)}`,
    `ctime = ${javaDate(stat.ctime)}`,
    `mZxid = 0x${stat.mzxid.toString(16)}`,
    `mtime = ${javaDate(stat.mtime)}`,
    `pZxid = 0x${stat.pzxid.toString(16)}`,
    `cversion = ${stat.cversion}`,
    `dataVersion = ${stat.version}`,
    `aclVersion = ${stat.aversion}`,
    `ephemeralOwner = 0x${BigInt.asUintN(64, stat.ephemeralOwner).toString(16)}`,
    `dataLength = ${stat.dataLength}`,
    `numChildren = ${stat.numChildren}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** `Mon Jan 01 00:00:00 UTC 2024`, always in UTC so that it reads the same on every machine. */
function javaDate(atMs: number): string {
  const [weekday = '', day, month, year, time] = new Date(atMs).toUTCString().split(' ');
  return `${weekday.slice(0, 3)} ${month} ${day} ${time} UTC ${year}`;
}
