// A program that uses the types of the client. It is compiled and never run.

import { Problem, Tidings, type Comment, type State, type TidingsEvent } from '@tidings-live/client';

const t = new Tidings({ url: 'https://comments.example.com', getToken: async () => null, topics: ['me'], tabs: false });
const controller = new AbortController();

const stop: () => void = t.on('new-comment', (event: TidingsEvent<Comment>) => console.log(event.data.html), { signal: controller.signal });
t.on('state', ({ data }) => show(data));
t.on('refused', ({ data }) => console.log(data.topics.join(), data.problem.status));
t.on('error', ({ data }) => data instanceof Problem && console.log(data.code, data.retryAfter));
t.on('gap', ({ data }) => console.log(data.reason, data.resumed));

function show(state: State): string {
  // @ts-expect-error: a state has one of six values
  const wrong: State = 'open';
  return state + wrong;
}

export async function read(post: string): Promise<string[]> {
  const page = await t.comments(post, { sort: 'top', limit: 50, signal: controller.signal });
  t.subscribe(`post:${post}`, { cursor: page.cursor });
  // @ts-expect-error: there is no such order
  await t.comments(post, { sort: 'best' });
  const written = await t.postComment(post, { body: 'Hello', parentId: page.data[0]?.id });
  await t.edit(written.id, 'Hi', { version: written.version });
  const { count } = await t.like(post);
  const counts = await t.counts([post]);
  await t.markRead('all');
  await t.markRead((await t.notifications({ unread: true })).data.map(({ id }) => id));
  console.log(count, counts[post]?.comments, t.user, t.state);
  stop();
  t.unsubscribe(`post:${post}`);
  t.setToken(null);
  t.close();
  return page.data.flatMap(({ author, replies }) => [author?.name ?? '', ...(replies?.data ?? []).map(({ body }) => body)]);
}
