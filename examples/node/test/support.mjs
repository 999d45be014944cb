// What the tests share.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const here = fileURLToPath(new URL('..', import.meta.url));
export const releases = fileURLToPath(new URL('../../releases/', import.meta.url));
export const config = JSON.parse(readFileSync(`${releases}rollcore.json`, 'utf8'));
export const story = readFileSync(new URL('../../story.txt', import.meta.url), 'utf8');

/** Long enough for a machine that has much else to do. */
export const PATIENCE_MS = 120_000;

export const release = (id) => ({ id, path: releases + id });

/** Runs a program to its end; resolves to what it printed, its code and its signal. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint();
    const child = spawn(command, args, { timeout: PATIENCE_MS, ...options });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const tookMs = Number((process.hrtime.bigint() - began) / 1_000_000n);
      resolve({ stdout, stderr, code, signal, tookMs });
    });
  });
}

/** Runs a little module in a program of its own. */
export function runModule(text, options) {
  return run(process.execPath, ['--input-type=module', '--eval', text], { cwd: here, ...options });
}

/** Whether a process is there, and is more than a zombie. */
export function isAlive(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
