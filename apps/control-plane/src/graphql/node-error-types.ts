import type { Degradation, NodeError } from '../application/degraded.js';
import type { Builder } from './builder.js';

/** What goes wrong on a node: each error of a report, and that it keeps failing. */
export function nodeErrorTypes(builder: Builder) {
  const command = builder.objectRef<NonNullable<NodeError['command']>>('FailedCommand').implement({
    description: 'The process that an error is about.',
    fields: (t) => ({ command: t.exposeString('command'), exitCode: t.exposeInt('exitCode'), stderr: t.exposeString('stderr') }),
  });
  const reportError = builder.objectRef<NodeError>('ReportError').implement({
    fields: (t) => ({
      code: t.exposeString('code'),
      message: t.exposeString('message'),
      fix: t.exposeString('fix'),
      key: t.string({ nullable: true, resolve: ({ key }) => key ?? null }),
      command: t.field({ type: command, nullable: true, resolve: (error) => error.command ?? null }),
    }),
  });
  const degradedError = builder.objectRef<Degradation['errors'][number]>('DegradedError').implement({
    fields: (t) => ({
      key: t.string({ nullable: true, description: 'Of the kernel object; null: not of one alone.', resolve: ({ key }) => key }),
      message: t.exposeString('message'),
      command: t.field({ type: command, nullable: true, resolve: (error) => error.command ?? null }),
    }),
  });
  const degradation = builder.objectRef<Degradation>('Degradation').implement({
    description: 'The node keeps failing, and does not mend itself. What can be applied of its state is.',
    fields: (t) => ({
      since: t.exposeString('since'),
      failures: t.exposeInt('failures'),
      errors: t.field({ type: [degradedError], resolve: ({ errors }) => [...errors] }),
    }),
  });
  return { reportError, degradation };
}
