'use strict';
// The C functions of librollcore, and nothing else. Strings that the library hands out are freed as soon as they are read.

const fs = require('node:fs');
const path = require('node:path');
const koffi = require('koffi');
const { RollcoreError } = require('./error.cjs');

const ABI_VERSION = 1;

/** What the functions return. Not failures: TIMEOUT, INTERRUPTED, CLOSED. */
const STATUS = { OK: 0, TIMEOUT: 1, INTERRUPTED: 2, CLOSED: 3 };

/** Where the library is: where `ROLLCORE_LIB` says, else in this package, else where the system has it. */
function candidates() {
  if (process.env.ROLLCORE_LIB) return [process.env.ROLLCORE_LIB];
  const bundled = path.join(__dirname, '..', 'native', `${process.platform}-${process.arch}`, 'librollcore.so');
  return fs.existsSync(bundled) ? [bundled] : ['librollcore.so', 'librollcore.so.0.1'];
}

function open() {
  const tried = [];
  for (const file of candidates()) {
    try {
      return koffi.load(file);
    } catch (error) {
      tried.push(`${file}: ${error.message}`);
    }
  }
  const hint = 'install librollcore, or say in ROLLCORE_LIB where it is';
  throw new RollcoreError({ code: 'library_not_found', message: `${tried.join('\n')}\n${hint}` });
}

function bind() {
  const lib = open();
  const abi = lib.func('rollcore_abi_version', 'uint32_t', [])();
  if (abi !== ABI_VERSION) {
    const message = `librollcore has ABI ${abi}, this package needs ABI ${ABI_VERSION}`;
    throw new RollcoreError({ code: 'abi_mismatch', message });
  }
  const free = lib.func('rollcore_string_free', 'void', ['void *']);
  const owned = koffi.disposable('str', free);
  const text = koffi.out(koffi.pointer(owned));
  const handle = koffi.pointer(koffi.opaque());
  const event = koffi.pointer(koffi.opaque());
  const number = koffi.out(koffi.pointer('uint64_t'));
  const declare = (name, result, parameters) => lib.func(`rollcore_${name}`, result, parameters);
  return {
    version: declare('version', 'str', []),
    schema: declare('schema', 'int32_t', ['str', text, text]),
    validate: declare('validate', 'int32_t', ['str', 'str', text]),
    new: declare('new', 'int32_t', ['str', koffi.out(koffi.pointer(handle)), text]),
    free: declare('free', 'void', [handle]),
    wakePipe: declare('dup_wake_fd', 'int', [handle]),
    nextEvent: declare('next_event', 'int32_t', [handle, 'int32_t', koffi.out(koffi.pointer(event)), text]),
    eventJson: declare('event_json', 'str', [event]),
    eventStatus: declare('event_status', 'int32_t', [event]),
    eventFree: declare('event_free', 'void', [event]),
    submit: declare('submit', 'int32_t', [handle, 'str', 'str', 'uint64_t', number, text]),
    cancel: declare('cancel', 'int32_t', [handle, 'uint64_t']),
    subscribe: declare('subscribe', 'int32_t', [handle, 'str', text]),
    snapshot: declare('snapshot', 'int32_t', [handle, 'str', text, text]),
  };
}

let bound;

/** The functions, bound once. */
function native() {
  bound ??= bind();
  return bound;
}

/** Calls `fn` with room for an error; throws what the library says of it. */
function checked(fn, ...parameters) {
  const error = [null];
  const status = fn(...parameters, error);
  if (status < 0) throw RollcoreError.parse(error[0], status);
  return status;
}

module.exports = { STATUS, checked, native };
