/**
 * Puts Next's static export to build/web, with the hashes of its inline scripts.
 *
 * The server sends them in the Content-Security-Policy of each page, so that no other inline
 * script can run (CSP Level 3, 6.7.3.3). Next writes the page's data into inline scripts.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join, relative } from 'node:path'
import process from 'node:process'

const SCRIPT = /<script(?<attributes>[^>]*)>(?<body>[\s\S]*?)<\/script>/gi

/** The CSP sources of all inline scripts of one page, each once. */
export function inlineScriptHashes(html) {
  const bodies = [...html.matchAll(SCRIPT)]
    .filter((match) => !/\ssrc=/i.test(match.groups.attributes))
    .map((match) => match.groups.body)
  return [...new Set(bodies.map(hash))]
}

function hash(text) {
  return `sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}`
}

async function pageHashes(folder) {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.html'))
  const pages = {}
  for (const name of names.sort()) {
    const html = await readFile(join(folder, name), 'utf8')
    pages[relative('.', name).replaceAll('\\', '/')] = inlineScriptHashes(html)
  }
  return pages
}

async function main() {
  const viewer = fileURLToPath(new URL('..', import.meta.url))
  const made = join(viewer, 'out')
  const target = join(viewer, 'build', 'web')
  const pages = await pageHashes(made)
  const all = [...new Set(Object.values(pages).flat())]
  const body = JSON.stringify({ 'script-src': all, pages }, null, 1)
  await writeFile(join(made, 'csp-hashes.json'), `${body}\n`)
  await mkdir(join(viewer, 'build'), { recursive: true })
  await rm(target, { recursive: true, force: true })
  await rename(made, target)
  console.log(`build/web: ${Object.keys(pages).length} pages, ${all.length} inline scripts`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
