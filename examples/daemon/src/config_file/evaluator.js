// Evaluates a config that is a JavaScript module, and writes what it is as one line of JSON to descriptor 3.
// Passed to node by `-e`, so nothing of it is on the disk. Arguments: the module, and whose pid the config sees.
'use strict'

const fs = require('node:fs')
const {spawnSync} = require('node:child_process')
const {builtinModules} = require('node:module')
const path = require('node:path')
const {pathToFileURL, fileURLToPath} = require('node:url')
const {Worker} = require('node:worker_threads')

const RESULT = 3
const ODD = '\u0000odd'
const DEPTH_MAX = 100
const VALUES_MAX = 1000000
const BYTES_MAX = 16 * 1024 * 1024
const MESSAGE_CHARS_MAX = 4000
const ODD_MAX = 20

const [given, loader] = process.argv.splice(1)
const file = path.resolve(given)
const before = {...process.env}

// Whoever started this may be killed while the config loops: then it must not go on for ever.
const guard = `const parent = ${Number(loader)}
setInterval(() => process.ppid === parent || process.kill(-process.pid, 'SIGKILL'), 250)`
new Worker(guard, {eval: true, stdin: false}).unref()

Object.defineProperty(process, 'pid', {value: Number(loader), enumerable: true, configurable: true})

// Newer versions of node warn about what the contract allows: `export default` in a bare `.js`.
const emitWarning = process.emitWarning
process.emitWarning = (warning, type, code, ...rest) => {
  const name = type !== null && typeof type === 'object' ? type.code : code
  if (name !== 'MODULE_TYPELESS_PACKAGE_JSON') emitWarning.call(process, warning, type, code, ...rest)
}

let isTold = false

function tell(result) {
  if (isTold) return
  isTold = true
  const bytes = Buffer.from(JSON.stringify(result) + '\n')
  for (let written = 0; written < bytes.length;) written += fs.writeSync(RESULT, bytes, written)
  process.exit(0)
}

class Refused extends Error {}

const odd = []
const ancestors = new Set()
let values = 0
let bytes = 0

function strange(key, kind) {
  if (odd.length < ODD_MAX) odd.push([key, kind])
  return ODD
}

function text(value, key) {
  bytes += value.length
  if (bytes > BYTES_MAX) throw new Refused(`Config is larger than ${BYTES_MAX} bytes, at ${key || 'its top'}`)
  return typeof value.toWellFormed === 'function' ? value.toWellFormed() : value
}

function plain(value, key, depth) {
  if (++values > VALUES_MAX) throw new Refused(`Config has more than ${VALUES_MAX} values, at ${key || 'its top'}`)
  switch (typeof value) {
    case 'string': return text(value, key)
    case 'boolean': case 'undefined': return value
    case 'number': return Number.isFinite(value) ? value : strange(key, String(value))
    case 'object': break
    default: return strange(key, `a ${typeof value}`)
  }
  if (value === null) return null
  if (ancestors.has(value)) return strange(key, 'circular: it is inside itself')
  if (depth >= DEPTH_MAX) return strange(key, `nested more than ${DEPTH_MAX} levels deep`)
  ancestors.add(value)
  const copy = Array.isArray(value) ? list(value, key, depth + 1) : mapping(value, key, depth + 1)
  ancestors.delete(value)
  return copy
}

function list(value, key, depth) {
  const copy = []
  for (let index = 0; index < value.length; index++) copy.push(plain(value[index], `${key}[${index}]`, depth) ?? null)
  return copy
}

function mapping(value, key, depth) {
  const copy = Object.create(null)
  for (const name of names(value)) {
    const shown = key === '' ? name : `${key}.${name}`
    copy[text(name, shown)] = plain(value[name], shown, depth)
  }
  return copy
}

// A config may be an instance of a class: what its getters say counts, its methods do not.
function names(value) {
  const found = new Set(Object.keys(value))
  for (let from = Object.getPrototypeOf(value); from !== null; from = Object.getPrototypeOf(from)) {
    if (Object.getPrototypeOf(from) === null) break
    for (const name of Object.getOwnPropertyNames(from)) {
      if (name !== 'constructor' && typeof value[name] !== 'function') found.add(name)
    }
  }
  return found
}

// What the config changed: new values, and null for what is gone.
function environment() {
  const changed = Object.create(null)
  for (const [name, value] of Object.entries(process.env)) {
    if (before[name] !== String(value)) changed[name] = text(String(value), `process.env.${name}`)
  }
  for (const name of Object.keys(before)) {
    if (!(name in process.env)) changed[name] = null
  }
  return changed
}

const FRAME = /^\s+at (?:.*\(|async )?((?:file:\/\/)?\/[^()]*):(\d+):\d+\)?$/
const HEADLINE = /^((?:file:\/\/)?\/.*):(\d+)$/

function place(error) {
  const lines = String(error.stack).split('\n')
  const found = HEADLINE.exec(lines[0]) ?? lines.map((line) => FRAME.exec(line)).find(Boolean)
  if (found) return [found[1].startsWith('file:') ? fileURLToPath(found[1]) : found[1], found[2]].join(':')
  return `${file}${error instanceof SyntaxError ? line(error) : ''}`
}

// An ES module that cannot be parsed does not say where, but node does when it checks the text.
function line(error) {
  const input = fs.readFileSync(file)
  const args = ['--check', '--input-type=module', '-']
  const {stderr} = spawnSync(process.execPath, args, {input, encoding: 'utf8', timeout: 5000})
  const found = String(stderr).includes(error.message) ? /^\[stdin\]:(\d+)$/m.exec(stderr) : null
  return found ? `:${found[1]}` : ''
}

function told(error) {
  if (error instanceof Refused) return error.message
  const isError = error !== null && typeof error === 'object' && 'message' in error
  const message = isError ? String(error.message) || String(error.name) : String(error)
  const where = isError ? place(error) : file
  const [first, ...rest] = message.slice(0, MESSAGE_CHARS_MAX).split('\n')
  return [`${first} (${where})`, ...rest].join('\n')
}

// Without detection by syntax, `export default` in a `.js` is an error that names something else.
function mayBeAModule(error) {
  const flag = '--experimental-detect-module'
  const isSyntax = error instanceof SyntaxError || error?.code === 'ERR_REQUIRE_CYCLE_MODULE'
  return isSyntax && file.endsWith('.js') && !process.execArgv.includes(flag)
    && process.allowedNodeEnvironmentFlags.has(flag)
}

function fail(error) {
  let message
  try { message = told(error) } catch { message = `The config threw something that cannot be shown (${file})` }
  tell({error: message, again: mayBeAModule(error)})
}

// With `-e`, and only then, these are globals; a module must not find them.
function hideGlobals() {
  const kept = ['console', 'crypto', 'process']
  for (const name of ['require', 'exports', '__filename', '__dirname', ...builtinModules]) {
    if (!kept.includes(name)) delete globalThis[name]
  }
}

async function main() {
  // Node sets some of them once this script has run.
  await new Promise(setImmediate)
  hideGlobals()
  const loaded = (await import(pathToFileURL(file).href)).default
  if (loaded === undefined) throw new Refused(`Config module ${file} must export a default config object or function`)
  const config = await (typeof loaded === 'function' ? loaded() : loaded)
  const shown = plain(config, '', 0) ?? null
  tell({config: shown, environment: environment(), odd})
}

process.on('uncaughtException', fail)
main().catch(fail)
