/** How a client of any age and a broker of any age agree on a version of ApiVersions. */
import { describe, expect, test } from '@jest/globals';
import { MalformedMessage } from '../../src/errors.ts';
import {
  apiVersionsAnswerVersion,
  apiVersionsRetryVersion,
  commonVersion,
  decodeApiVersionsResponse,
  unsupportedApiVersions,
} from '../../src/kafka/api-versions.ts';
import { apiVersionsResponse } from '../../src/kafka/messages/api-versions.ts';

/** The exchange from asking to being understood; yields the versions that were asked in. */
function agree(clientMax: number, brokerMax: number): number[] {
  const offered = { apiKey: 18, minVersion: 0, maxVersion: brokerMax };
  const asked: number[] = [];
  let version: number | null = clientMax;
  while (version !== null && asked.length < 5) {
    asked.push(version);
    const answerVersion = apiVersionsAnswerVersion(version, offered);
    const refused = answerVersion !== version;
    const body = refused ? unsupportedApiVersions([offered]) : { errorCode: 0, apiKeys: [offered] };
    const response = decodeApiVersionsResponse(
      apiVersionsResponse.encode(body, answerVersion),
      version,
    );
    expect(response.apiKeys).toEqual([offered]);
    version = apiVersionsRetryVersion(response, clientMax);
  }
  return asked;
}

describe('the two sides agree', () => {
  test.each([
    [3, 4, [3]],
    [4, 4, [4]],
    [5, 4, [5, 4]],
    [5, 0, [5, 0]],
    [0, 4, [0]],
  ])('client up to v%d, broker up to v%d: asked in %j', (client, broker, asked) => {
    expect(agree(client, broker)).toEqual(asked);
  });
});

test('the refusal is a version 0 body with code 35', () => {
  const body = unsupportedApiVersions([{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
  expect(apiVersionsResponse.encode(body, 0).toString('hex')).toBe(
    '0023' + '00000001' + '0012' + '0000' + '0004',
  );
});

test('an old broker refuses with an empty list: version 0 is tried', () => {
  const response = decodeApiVersionsResponse(Buffer.from('0023' + '00000000', 'hex'), 3);
  expect(apiVersionsRetryVersion(response, 3)).toBe(0);
});

test('no version in common', () => {
  const response = apiVersionsResponse.decode(
    apiVersionsResponse.encode(
      unsupportedApiVersions([{ apiKey: 18, minVersion: 9, maxVersion: 12 }]),
      0,
    ),
    0,
  );
  expect(apiVersionsRetryVersion(response, 4)).toBeNull();
  expect(commonVersion([0, 4], { minVersion: 5, maxVersion: 9 })).toBeNull();
  expect(commonVersion([3, 4], { minVersion: 0, maxVersion: 2 })).toBeNull();
  expect(commonVersion([0, 13], { minVersion: 3, maxVersion: 9 })).toBe(9);
});

test('too few bytes for a code', () => {
  expect(() => decodeApiVersionsResponse(Buffer.alloc(1), 0)).toThrow(MalformedMessage);
});
