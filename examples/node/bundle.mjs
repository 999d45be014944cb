// Puts librollcore into the package: `node bundle.mjs path/to/librollcore.so`. Without it, the package loads the
// library that the system has.

import { copyFileSync, mkdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const library = process.argv[2] ?? fileURLToPath(new URL('../../target/release/librollcore.so', import.meta.url));
const folder = fileURLToPath(new URL(`native/${process.platform}-${process.arch}`, import.meta.url));
mkdirSync(folder, { recursive: true });
copyFileSync(library, `${folder}/librollcore.so`);
// What a debugger would want is most of it. A machine without `strip` ships it as it is.
spawnSync('strip', ['--strip-unneeded', `${folder}/librollcore.so`]);
