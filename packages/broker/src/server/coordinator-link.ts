/**
 * The session with the coordination service at the start: opened, and waited for as long as it
 * takes, with a line in the log that says what is missing.
 */
import { CoordinatorSession } from '@odradek/client';
import { type Environment, millis, StartInterrupted } from '@odradek/runtime';
import type { BrokerConfig } from '../config/broker-config.ts';

/** A service that is there answers faster. */
const FIRST_LINE_AFTER_MS = 1_000;
const NEXT_LINE_AFTER_MS = 10_000;

/**
 * @throws ConfigError when zookeeper.connect cannot be read
 * @throws StartInterrupted when `interrupted` is aborted before the service is there
 */
export async function openCoordinatorSession(
  { values, coordinators }: BrokerConfig,
  environment: Environment,
  interrupted: AbortSignal | undefined,
): Promise<CoordinatorSession> {
  const connectTimeoutMs = values['zookeeper.connection.timeout.ms'];
  const session = CoordinatorSession.open({
    connect: coordinators,
    sessionTimeoutMs: values['zookeeper.session.timeout.ms'],
    ...(connectTimeoutMs === null ? {} : { connectTimeoutMs }),
    environment,
    name: 'coordinator',
  });
  const stopTalking = sayThatWeWait(coordinators, environment);
  try {
    await Promise.race([session.whenConnected(), interruption(interrupted)]);
    return session;
  } catch (error) {
    await session.close();
    throw error;
  } finally {
    stopTalking();
  }
}

function sayThatWeWait(coordinators: string, { clock, timers, log }: Environment): () => void {
  const began = clock.now();
  const sayIn = (delayMs: number) =>
    timers.wakeAt(millis(clock.now() + delayMs), () => {
      log.warn('waiting for the coordination service: is it running?', {
        'zookeeper.connect': coordinators,
        waitedMs: Math.round(clock.now() - began),
      });
      disarm = sayIn(NEXT_LINE_AFTER_MS);
    });
  let disarm = sayIn(FIRST_LINE_AFTER_MS);
  return () => disarm();
}

/** Rejects when the start is called off; never resolves. */
function interruption(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const callOff = (): void =>
      reject(new StartInterrupted('stopped while waiting for the coordination service'));
    if (signal?.aborted) callOff();
    else signal?.addEventListener('abort', callOff, { once: true });
  });
}
