// The server of the blog: its posts, its users, and the page. All that is live comes from Tidings.
import { createHmac } from 'node:crypto';
import { build } from 'esbuild';
import express from 'express';
import pg from 'pg';

const { DATABASE_URL, TIDINGS_URL, TIDINGS_JWT_SECRET } = process.env;
const users = { ann: 'Ann', ben: 'Ben', cat: 'Cat' }; // a real blog has passwords
const db = new pg.Pool({ connectionString: DATABASE_URL });
db.on('error', (error) => console.error(error.message)); // the next query connects again

/** Signs a token that tells Tidings who the user is. Socket.IO: io.use((socket, next) => verify(socket.handshake.auth)) */
function sign(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', TIDINGS_JWT_SECRET).update(text).digest('base64url')}`;
}

const userOf = (request) => /(?:^|; )user=(\w+)/.exec(request.headers.cookie ?? '')?.[1];

const app = express();

app.get('/posts', async (_, response) => {
  response.json((await db.query('select id, author, title, body from blog_posts order by id')).rows);
});

app.post('/login/:user', ({ params: { user } }, response) => {
  response.cookie('user', Object.hasOwn(users, user) ? user : '', { httpOnly: true, sameSite: 'strict' }).end();
});

app.get('/token', (request, response) => {
  const user = userOf(request);
  const exp = Math.floor(Date.now() / 1000) + 3600;
  response.json(Object.hasOwn(users, user) ? sign({ sub: user, name: users[user], exp }) : null);
});

app.get('/', (_, response) => {
  response.send(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A blog</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/blog.css">
<script type="importmap">{"imports": {"@tidings-live/client": "${new URL('tidings.js', TIDINGS_URL)}"}}</script>
<script type="module" src="/blog.js"></script>
<div id="blog"></div>
`);
});

/** Makes the page's script and the posts, and listens on a port of this machine. */
export async function serve(port) {
  const { outputFiles: [script] } = await build({
    entryPoints: [new URL('src/blog.jsx', import.meta.url).pathname],
    bundle: true, format: 'esm', jsx: 'automatic', minify: true, write: false, external: ['@tidings-live/client'],
  });
  app.get('/blog.js', (_, response) => response.type('js').send(script.text));
  app.use(express.static(new URL('src', import.meta.url).pathname));

  await db.query(`create table if not exists blog_posts (
    id text primary key, author text not null, title text not null, body text not null
  )`);
  await db.query(`insert into blog_posts values
    ('kettle', 'ann', 'A kettle that whistles', 'It is red, and it whistles in D.'),
    ('pot', 'ben', 'A pot without a lid', 'The lid has gone, and the pot is as good as before.')
    on conflict do nothing`);
  // Tidings knows a post by its id. With an author, it notifies that user of comments and likes.
  await db.query('insert into tidings.posts (id, title, author_id) select id, title, author from blog_posts on conflict do nothing');
  await new Promise((listening) => app.listen(port, '127.0.0.1', listening));
}
