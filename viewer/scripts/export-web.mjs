/**
 * Puts Next's static export to build/web, each text file with compressed siblings.
 *
 * The server sends a sibling to a browser that takes its encoding, so nothing is compressed twice.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

const TEXT = /\.(html|js|css|txt|svg|json)$/
const SMALLEST = 1024
const ENCODINGS = { br: promisify(brotliCompress), gz: promisify(gzip) }

async function compress(file) {
  const content = await readFile(file)
  if (content.length < SMALLEST) return
  for (const [suffix, encode] of Object.entries(ENCODINGS)) {
    await writeFile(`${file}.${suffix}`, await encode(content))
  }
}

const viewer = fileURLToPath(new URL('..', import.meta.url))
const made = join(viewer, 'out')
const target = join(viewer, 'build', 'web')

const names = await readdir(made, { recursive: true })
await Promise.all(names.filter((name) => TEXT.test(name)).map((name) => compress(join(made, name))))
await mkdir(join(viewer, 'build'), { recursive: true })
await rm(target, { recursive: true, force: true })
await rename(made, target)
console.log(`build/web: ${names.filter((name) => name.endsWith('.html')).length} pages`)
