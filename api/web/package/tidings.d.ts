// Types of the client of Tidings.

/**
 * connecting: before the first connection. live: a stream is open. polling: polls bring the events.
 * reconnecting: the connection has ended, and another one is tried. offline: the server does not
 * answer, or refuses. closed: after close().
 */
export type State = 'connecting' | 'live' | 'polling' | 'reconnecting' | 'offline' | 'closed';

export interface Options {
  /** Address of the server. The default is the folder of the script; from npm it is required. */
  url?: string | URL;
  /** A JWT. Without it and getToken, the cookie counts. */
  token?: string | null;
  /** Called at the start, when the token is about to end, and after a 401. */
  getToken?: () => string | null | Promise<string | null>;
  topics?: string[];
  /** Share one connection with the other tabs of the site and user. Default: true. */
  tabs?: boolean;
  /** Ask for events presence. */
  presence?: boolean;
}

export interface TidingsEvent<Data = any> {
  /** The cursor after the event; null if the server does not keep the event. */
  id: string | null;
  event: string;
  /** null for the events of the client itself. */
  topic: string | null;
  data: Data;
}

export interface User {
  id: string;
  name: string | null;
  avatarUrl?: string | null;
}

export interface Comment {
  id: string;
  postId: string;
  parentId: string | null;
  rootId: string | null;
  author: User | null;
  body: string;
  html: string;
  status: 'published' | 'pending' | 'rejected' | 'spam' | 'deleted';
  pinnedAt: string | null;
  likeCount: number;
  replyCount: number;
  threadCount: number;
  createdAt: string;
  editedAt: string | null;
  version: number;
  liked: boolean;
}

export interface Page<Item> {
  data: Item[];
  page: { next: string | null; more: boolean };
}

export interface ListedPost {
  id: string;
  title: string | null;
  url: string | null;
  locked: boolean;
  commentCount: number;
  likeCount: number;
  liked: boolean;
}

export interface Post extends ListedPost {
  authorId: string | null;
  createdAt: string;
}

export interface CommentPage extends Page<Comment & { replies?: Page<Comment> }> {
  post: ListedPost;
  user: string | null;
  cursor: string;
}

export interface ReplyPage extends Page<Comment> {
  user: string | null;
  cursor: string;
}

export interface Notification {
  id: string;
  kind: 'comment' | 'reply' | 'mention' | 'like';
  postId: string;
  commentId?: string;
  actor: User;
  /** Of a like: the number of other users. */
  count?: number;
  createdAt: string;
  readAt: string | null;
}

export interface NotificationPage extends Page<Notification> {
  unread: number;
  user: string | null;
  cursor: string;
}

export interface Likes {
  count: number;
  liked: boolean;
}

export interface Presence {
  postId: string;
  viewers: number;
  users: { id: string; name: string | null }[];
}

export interface Revision {
  version: number;
  body: string;
  html: string;
  replacedAt: string;
}

export interface PageOptions {
  limit?: number;
  after?: string | null;
  signal?: AbortSignal;
}

/** The error of a call: an answer that is a problem (RFC 9457), or no usable answer. */
export class Problem extends Error {
  /** Of the answer; 0 without one. */
  status: number;
  /** A code of docs/problems.md, or "unreachable", "not_json", "too_long". */
  code: string;
  detail: string;
  requestId?: string;
  /** Seconds. */
  retryAfter?: number;
  [member: string]: unknown;
}

/** The events of the client itself, which have no topic. */
export interface OwnEvents {
  state: State;
  user: string | null;
  /** Events are missing: read the lists again. */
  gap: { reason: string; from: string | null; resumed: string };
  /** The server does not let this user read the topics. */
  refused: { topics: string[]; problem: Problem };
  error: Problem | Error;
}

export interface ListenOptions {
  topic?: string;
  /**
   * Also events that were emitted before: they come again for a subscriber that has an older cursor
   * than the others. A model of a page sets it, and calls on before it reads its list.
   */
  again?: boolean;
  signal?: AbortSignal;
}

export class Tidings {
  constructor(options?: Options);
  readonly state: State;
  /** The id of the user, null without one, undefined until it is known. */
  readonly user: string | null | undefined;

  /** Calls fn with events of a name until the returned function is called. "*" stands for all events of the server. */
  on<Name extends keyof OwnEvents>(name: Name, fn: (event: TidingsEvent<OwnEvents[Name]>) => void, options?: ListenOptions): () => void;
  on(name: string, fn: (event: TidingsEvent) => void, options?: ListenOptions): () => void;

  /** Counted: two calls need two unsubscribes. The cursor is that of a list: events after it follow. */
  subscribe(topic: string, options?: { cursor?: string }): void;
  unsubscribe(topic: string): void;
  /** Signs in, out, or in as another user. */
  setToken(token: string | null): void;
  close(): void;

  comments(post: string, options?: PageOptions & { sort?: 'newest' | 'oldest' | 'top'; flat?: boolean }): Promise<CommentPage>;
  replies(id: string, options?: PageOptions): Promise<ReplyPage>;
  comment(id: string): Promise<Comment>;
  /** With the same key, a call that is repeated within a day returns the first comment. */
  postComment(post: string, comment: { body: string; parentId?: string | null; mentions?: string[]; key?: string }): Promise<Comment>;
  edit(id: string, body: string, options?: { version?: number; mentions?: string[] }): Promise<Comment>;
  delete(id: string): Promise<null>;
  like(post: string, liked?: boolean): Promise<Likes>;
  likeComment(id: string, liked?: boolean): Promise<Likes>;
  getPost(post: string): Promise<Post>;
  putPost(post: string, fields: { title?: string | null; url?: string | null; authorId?: string | null; locked?: boolean }): Promise<Post>;
  counts(posts: string[]): Promise<Record<string, { comments: number; likes: number }>>;
  typing(post: string): Promise<null>;
  presence(post: string): Promise<Presence>;
  notifications(options?: PageOptions & { unread?: boolean }): Promise<NotificationPage>;
  markRead(ids: string[] | 'all'): Promise<{ unread: number }>;
  moderation(options?: PageOptions & { status?: string }): Promise<Page<Comment> & { pending: number; user: string | null; cursor: string }>;
  setStatus(id: string, status: Comment['status']): Promise<Comment>;
  pin(id: string, pinned?: boolean): Promise<Comment>;
  revisions(id: string, options?: PageOptions): Promise<Page<Revision>>;
}
