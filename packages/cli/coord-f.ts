import { nodeEnvironment } from '@odradek/runtime';
import { readZooCfg, startCoordinator } from '@odradek/coord';
const e = (o: Record<string,string>) => Object.entries(o).map(([key,value],i)=>({key,value,line:i+1,source:'x'}));
const c = await startCoordinator(nodeEnvironment(), readZooCfg(e({dataDir:'/tmp/try-f/zk',clientPort:'23181',clientPortAddress:'127.0.0.1'}),{source:'x',homeDirectory:'/tmp'}).values);
console.log('PORT', c.port); setInterval(()=>{},1000);
