/**
 * From a plan that fails to a smaller one that still does: fewer faults, fewer clients, less to do. What is
 * left out changes nothing else that is drawn, so the rest often fails as before.
 */
import type { Plan } from './ensemble/plan.ts';

const OPERATIONS_MIN = 5;

/** Plans that are one step smaller, the boldest first. */
function* smaller(plan: Plan): Generator<Plan> {
  const { faults, clients } = plan;
  for (let size = Math.ceil(faults.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < faults.length; at += size) {
      yield { ...plan, faults: [...faults.slice(0, at), ...faults.slice(at + size)] };
    }
  }
  if (plan.siege !== null) yield { ...plan, siege: null };
  if (clients.length > 1) {
    for (const client of clients) {
      yield { ...plan, clients: clients.filter((other) => other !== client) };
    }
  }
  for (const [index, client] of clients.entries()) {
    const replaced = (changed: Partial<typeof client>): Plan => ({
      ...plan,
      clients: clients.map((other, at) => (at === index ? { ...client, ...changed } : other)),
    });
    const operations = Math.floor(client.operations / 2);
    if (operations >= OPERATIONS_MIN) yield replaced({ operations });
    if (client.unrest > 0) yield replaced({ unrest: 0 });
    if (client.watches !== 'none') yield replaced({ watches: 'none' });
    if (client.inFlightMax > 1) yield replaced({ inFlightMax: 1 });
  }
}

/**
 * @param stillFails whether a plan fails as the first one did
 * @param mayGoOn false ends the search
 * @returns the smallest plan found
 */
export async function shrink(
  plan: Plan,
  stillFails: (plan: Plan) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<Plan> {
  let smallest = plan;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of smaller(smallest)) {
      if (!mayGoOn()) return smallest;
      if (await stillFails(candidate)) {
        smallest = candidate;
        isSmaller = true;
        break;
      }
    }
  }
  return smallest;
}
