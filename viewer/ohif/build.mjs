/**
 * Puts the unmodified OHIF, from its npm package, under /ohif/ with our configuration and
 * extension. What changes is where it looks for its own files; its code stays as published.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import ts from 'typescript';

const VERSION = '3.13.2';
const INTEGRITY =
  'sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==';
const BASE = '/ohif/';
const HERE = dirname(fileURLToPath(import.meta.url));
const VIEWER = dirname(HERE);
const TARGET = join(VIEWER, 'build', 'ohif');
const CACHE = join(VIEWER, 'node_modules', '.cache', 'ohif');
// Not needed to look at images, SEG and SR: 136 MB of the package's 204.
const LEFT_OUT = ['ort', 'customizations', 'sw.js', 'init-service-worker.js',
  'oidc-client.min.js', 'silent-refresh.html', 'app-config.js', 'google.js', 'serve.json',
  '_headers', '_redirects'];
const COMPRESSED = new Set(['.js', '.css', '.html', '.json', '.svg', '.wasm', '.map']);
const WORTH_COMPRESSING = 1024;

/** The package's tarball, fetched once; its bytes have to be the published ones. */
function fetchPackage() {
  const name = `ohif-app-${VERSION}.tgz`;
  const path = join(CACHE, name);
  mkdirSync(CACHE, { recursive: true });
  if (!existsSync(path)) {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    execFileSync(npm, ['pack', `@ohif/app@${VERSION}`, '--silent', '--pack-destination', CACHE],
      { stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' });
  }
  const digest = 'sha512-' + createHash('sha512').update(readFileSync(path)).digest('base64');
  if (digest !== INTEGRITY) {
    rmSync(path);
    throw new Error(`${name} is not the published package (${digest}); it was removed`);
  }
  return path;
}

function unpack(tarball) {
  const folder = mkdtempSync(join(CACHE, 'unpacked-'));
  try {
    execFileSync('tar', ['-xzf', tarball, '-C', folder, 'package/dist']);
    rmSync(TARGET, { recursive: true, force: true });
    const dist = join(folder, 'package', 'dist');
    cpSync(dist, TARGET, { recursive: true, filter: path => isWanted(relative(dist, path)) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isWanted(path) {
  return !LEFT_OUT.includes(path.split(/[\\/]/)[0]) && !/^assets[\\/](apple-touch|coast|mstile|yandex)/.test(path);
}

function* filesUnder(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

function rewrite(path, ...replacements) {
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of replacements) text = text.replaceAll(from, to);
  writeFileSync(path, text);
}

/** Everything absolute in the package moves below the base; its sources are built for "/". */
function moveBelowBase() {
  let publicPaths = 0;
  for (const path of readdirSync(TARGET)) {
    const file = join(TARGET, path);
    if (extname(path) === '.js') {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('__webpack_require__.p = "/"')) continue;
      publicPaths += 1;
      writeFileSync(file, text.replaceAll('__webpack_require__.p = "/"', `__webpack_require__.p = "${BASE}"`));
    } else if (extname(path) === '.css') {
      rewrite(file, ['url(/', `url(${BASE}`]);
    }
  }
  moveMicroscopy();
  if (publicPaths !== 8) throw new Error(`expected 8 files with a public path, found ${publicPaths}`);
  rewriteIndex();
  rewrite(join(TARGET, 'manifest.json'), ['"/assets/', `"${BASE}assets/`], ['"start_url": "/"', `"start_url": "${BASE}"`]);
}

/** The viewer of slides is imported by an absolute path of its own. */
function moveMicroscopy() {
  const [name] = readdirSync(TARGET).filter(path => /^app\.bundle\.[0-9a-f]+\.js$/.test(path));
  rewrite(join(TARGET, name), ["'/dicom-microscopy-viewer/", `'${BASE}dicom-microscopy-viewer/`]);
}

function rewriteIndex() {
  const path = join(TARGET, 'index.html');
  const text = readFileSync(path, 'utf8')
    .replace(/<link rel="(apple-touch|yandex)[^>]*>/g, '')
    .replace(/<link rel="icon" type="image\/png" sizes="228x228"[^>]*>/g, '')
    .replace(/<meta name="(msapplication|apple)[^>]*>/g, '')
    .replace(/<script[^>]*src="\/init-service-worker.js"><\/script>/, '')
    .replaceAll('PUBLIC_URL="/"', `PUBLIC_URL="${BASE}"`)
    .replace(/(href|src)="\//g, `$1="${BASE}`)
    .replace('<title>OHIF Viewer</title>', '<title>OHIF Viewer - Hounsfield</title>');
  writeFileSync(path, text);
}

/** Our extension: TypeScript modules, each to its own file; the browser imports them natively. */
function addOurs() {
  cpSync(join(HERE, 'app-config.js'), join(TARGET, 'app-config.js'));
  const folder = join(TARGET, 'hounsfield');
  mkdirSync(folder);
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
  for (const name of readdirSync(join(HERE, 'extension'))) {
    if (extname(name) !== '.ts' || name.endsWith('.test.ts') || name.endsWith('.d.ts')) continue;
    const source = readFileSync(join(HERE, 'extension', name), 'utf8');
    const { outputText } = ts.transpileModule(source, { compilerOptions: options });
    writeFileSync(join(folder, name.replace(/\.ts$/, '.js')), outputText);
  }
}

/** The server sends a ready .br or .gz where the browser takes it. */
async function compress() {
  const files = [...filesUnder(TARGET)].filter(
    path => COMPRESSED.has(extname(path)) && statSync(path).size > WORTH_COMPRESSING
  );
  const brotli = promisify(brotliCompress);
  const zip = promisify(gzip);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 7 };
  await Promise.all(
    files.map(async path => {
      const data = readFileSync(path);
      writeFileSync(`${path}.br`, await brotli(data, { params }));
      writeFileSync(`${path}.gz`, await zip(data, { level: 6 }));
    })
  );
}

unpack(fetchPackage());
moveBelowBase();
addOurs();
await compress();
console.log(`OHIF ${VERSION} in ${relative(process.cwd(), TARGET)}`);
