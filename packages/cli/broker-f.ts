import { nodeEnvironment, openLog } from '@odradek/runtime';
import { readBrokerConfig, startBroker } from '@odradek/broker';
const e = (o: Record<string,string>) => Object.entries(o).map(([key,value],i)=>({key,value,line:i+1,source:'x'}));
const { log } = await openLog({ level: 'info', format: 'text' });
const id = process.argv[2];
await startBroker(nodeEnvironment({log}), readBrokerConfig(e({'broker.id':id,listeners:`PLAINTEXT://127.0.0.1:${23900+Number(id)}`,'log.dirs':(process.env.LD??'/tmp/try-f')+`/b${id}`,'zookeeper.connect':'127.0.0.1:23181','group.initial.rebalance.delay.ms':'0','offsets.topic.replication.factor':'1', ...Object.fromEntries(process.argv.slice(3).map(x=>x.split('=')))}),{source:'x',homeDirectory:'/tmp'}));
setInterval(()=>{},1000);
process.on('SIGINT',()=>process.exit(0));
if (process.env.MEM) setInterval(()=>{const m=process.memoryUsage();console.log('MEM', Object.entries(m).map(([k,v])=>k+'='+(v/1048576).toFixed(0)).join(' '))},500);
