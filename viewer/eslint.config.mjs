import { defineConfig, globalIgnores } from 'eslint/config'
import nextVitals from 'eslint-config-next/core-web-vitals'
import nextTypescript from 'eslint-config-next/typescript'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

const config = defineConfig([
  globalIgnores(['.next/', 'out/', 'build/', 'ohif/', 'next-env.d.ts', 'lib/api-types.ts']),
  ...nextVitals,
  ...nextTypescript,
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: here } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': 'error',
      'react/no-danger': 'error',
      'max-lines': ['error', { max: 200, skipBlankLines: true, skipComments: true }],
      // Pictures come from the archive, at the size that it renders; there is no image optimizer.
      '@next/next/no-img-element': 'off',
    },
  },
])

export default config
