import type { CodegenConfig } from '@graphql-codegen/cli';

/** Types of each `graphql(…)` document in the sources, from the schema that is checked in. Made by tools/generate.mjs. */
const config: CodegenConfig = {
  schema: '../control-plane/schema.graphql',
  documents: ['src/**/*.{ts,tsx}', '!src/api/generated/**'],
  generates: {
    'src/api/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: { useTypeImports: true, enumsAsTypes: true, scalars: { JSON: 'unknown' }, documentMode: 'documentNode' },
    },
  },
  ignoreNoDocuments: true,
};

export default config;
