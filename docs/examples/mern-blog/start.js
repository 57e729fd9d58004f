// Starts Tidings with a private Postgres, and then the blog. With DATABASE_URL, TIDINGS_URL and
// TIDINGS_JWT_SECRET, the blog uses the server that is there instead.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { PORT = '3000', TIDINGS = 'tidings', DATA = '.tidings' } = process.env;
const address = `http://127.0.0.1:${PORT}`;

if (!process.env.TIDINGS_URL) {
  const read = (name) => readFileSync(`${DATA}/${name}`, 'utf8').trim();
  rmSync(`${DATA}/url`, { force: true });
  const tidings = spawn(TIDINGS, ['dev', '--dir', DATA], {
    env: { ...process.env, TIDINGS_ALLOWED_ORIGINS: address },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  tidings.on('error', ({ message }) => {
    console.error(`${message}: put the program tidings into the PATH, or its path into TIDINGS`);
    process.exit(1);
  });
  tidings.on('exit', (code) => process.exit(code ?? 1));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tidings.kill('SIGTERM'));
  while (!existsSync(`${DATA}/url`)) await sleep(50);
  Object.assign(process.env, {
    DATABASE_URL: read('database-url'),
    TIDINGS_URL: read('url'),
    TIDINGS_JWT_SECRET: read('jwt-secret'),
  });
}
const { serve } = await import('./server.js');
await serve(Number(PORT));
console.log(`The blog is at ${address}/`);
