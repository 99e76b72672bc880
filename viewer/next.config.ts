import type { NextConfig } from 'next'

/** In development the pages come from `next dev` and everything else from a running server. */
const server = process.env.HOUNSFIELD_URL ?? 'http://127.0.0.1:8080'

const shared: NextConfig = {
  trailingSlash: true,
  reactStrictMode: true,
  poweredByHeader: false,
  agentRules: false,
}

const development: NextConfig = {
  skipTrailingSlashRedirect: true,
  rewrites: () =>
    Promise.resolve(
      ['api', 'dicom-web', 'ohif'].map((name) => ({
        source: `/${name}/:path*`,
        destination: `${server}/${name}/:path*`,
      })),
    ),
}

const config: NextConfig =
  process.env.NODE_ENV === 'development'
    ? { ...shared, ...development }
    : { ...shared, output: 'export' }

export default config
