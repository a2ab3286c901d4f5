import type { Coordination, CredentialStore, FlannelRegistry, HintQueue, IntentStore, NodeAccess } from '@portolan/store';
import { createMemoryCoordination, createMemoryQueue, openMemoryStore } from '@portolan/store/memory';
import { seededIds } from '@portolan/testkit';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { Compile } from 'typebox/schema';
import { expect, onTestFinished } from 'vitest';
import { type Authority, buildControlPlane, type Clock, type ControlPlane, type Log, systemClock } from '../src/index.js';

export interface TestParts {
  readonly store?: IntentStore;
  readonly queue?: HintQueue;
  readonly coordination?: Coordination;
  readonly registry?: FlannelRegistry;
  readonly clock?: Clock;
  readonly token?: string;
  readonly credentials?: CredentialStore;
  readonly access?: NodeAccess;
  readonly authority?: Authority;
  readonly log?: Log;
  /** Without it the background tasks do not run, and nothing is computed. */
  readonly start?: boolean;
  /** It serves all tests of a file, which stops it itself. */
  readonly lasting?: boolean;
}

export interface TestPlane extends ControlPlane {
  readonly store: IntentStore;
  readonly coordination: Coordination;
  /** Sends a request, and checks that the answer is one that the OpenAPI document promises. */
  send(method: NonNullable<InjectOptions['method']>, url: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  // Tests read answers field by field; what does not exist fails their expectations.
  readonly body: Json;
  readonly headers: LightMyRequestResponse['headers'];
}

/** JSON as a test reads it. */
export interface Json {
  readonly [field: string]: Json;
  readonly [index: number]: Json;
}

export async function startTestPlane(parts: TestParts = {}): Promise<TestPlane> {
  const store = parts.store ?? openMemoryStore();
  const coordination = parts.coordination ?? createMemoryCoordination();
  const plane = await buildControlPlane({
    store,
    coordination,
    queue: parts.queue ?? createMemoryQueue(),
    registry: parts.registry,
    clock: parts.clock ?? systemClock,
    newId: seededIds(7),
    log: parts.log ?? pino({ level: 'silent' }),
    token: parts.token,
    credentials: parts.credentials,
    access: parts.access,
    authority: parts.authority,
  });
  if (parts.lasting !== true) onTestFinished(() => plane.stop());
  await plane.app.ready();
  const started = plane.start();
  if (parts.start !== false) await started;
  return {
    ...plane,
    store,
    coordination,
    async send(method, url, body, headers = {}) {
      const response = await plane.app.inject({
        method,
        url,
        headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const answer = { status: response.statusCode, body: (response.body === '' ? null : JSON.parse(response.body)) as Json, headers: response.headers };
      if (url.startsWith('/v1/')) expectPromised(plane.app, method, url, answer);
      return answer;
    },
  };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, PromisedAnswer>> }>>>>;
  readonly components: unknown;
}

interface PromisedAnswer {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

export function openapiDocument(app: FastifyInstance): Document {
  return app.swagger() as unknown as Document;
}

interface Promises {
  readonly document: Document;
  readonly templates: readonly { readonly template: string; readonly fits: RegExp }[];
  /** By the schema itself: to compile one takes longer than to answer most requests. */
  readonly validators: Map<object, ReturnType<typeof Compile>>;
}

/** What every control plane of this process promises: their routes are the same. */
let promises: Promises | undefined;

function promisesOf(app: FastifyInstance): Promises {
  if (promises === undefined) {
    const document = openapiDocument(app);
    const templates = Object.keys(document.paths).map((template) => ({ template, fits: new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`) }));
    promises = { document, templates, validators: new Map() };
  }
  return promises;
}

function expectPromised(app: FastifyInstance, method: string, url: string, answer: Answer): void {
  const { document, templates, validators } = promisesOf(app);
  const path = new URL(url, 'http://localhost').pathname;
  const template = templates.find(({ fits }) => fits.test(path))?.template;
  const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
  if (operation === undefined) return;
  const promised = operation.responses[answer.status];
  expect(promised, `${method} ${url} answers ${answer.status}, which its document does not know`).toBeDefined();
  if (answer.body === null) return;
  const type = answer.status < 400 ? 'application/json' : 'application/problem+json';
  expect(answer.headers['content-type']).toContain(type);
  const schema = promised?.content?.[type]?.schema ?? {};
  const validator = validators.get(schema) ?? Compile({ ...schema, components: document.components } as object);
  validators.set(schema, validator);
  const [fits, errors] = validator.Errors(answer.body);
  expect(fits ? [] : errors.map((error) => `${error.instancePath} ${error.message}`), `${method} ${url} answers what its document does not promise`).toEqual(
    [],
  );
}

/** Polls until the expectation holds. */
export async function eventually(expectation: () => Promise<void> | void, milliseconds = 5000): Promise<void> {
  await expect
    .poll(
      async () => {
        try {
          await expectation();
          return 'holds';
        } catch (error) {
          return error instanceof Error ? error.message : String(error);
        }
      },
      { timeout: milliseconds, interval: 10 },
    )
    .toBe('holds');
}
