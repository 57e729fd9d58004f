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
  /** A code of docs/problems.md, or "unreachable", "not_json", "not_tidings", "too_long". */
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

  /**
   * Counted: two calls need two unsubscribes. The cursor is that of a list: events after it follow.
   * A connection has room for 50 topics. The others are told by the event refused; first those
   * that are spare, which the page can do without.
   */
  subscribe(topic: string, options?: { cursor?: string; spare?: boolean }): void;
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
  setStatus(id: string, status: Comment['status'], options?: { version?: number }): Promise<Comment>;
  pin(id: string, pinned?: boolean, options?: { version?: number }): Promise<Comment>;
  revisions(id: string, options?: PageOptions): Promise<Page<Revision>>;

  /** The comments of a post, kept up to date. */
  thread(post: string, options?: ThreadOptions): Thread;
  /** The notifications of the user, kept up to date. */
  inbox(options?: { limit?: number }): Inbox;
}

export interface ThreadOptions {
  sort?: 'newest' | 'oldest' | 'top';
  /** All comments by time, instead of roots with their replies. Not with the sort top. */
  flat?: boolean;
  /** Comments that are read at once, 1 to 100. Default: 20. */
  limit?: number;
}

/** A comment of a thread. It is replaced when it changes, and never changed. */
export interface ThreadComment extends Comment {
  /** Of a root: the comments below it that are loaded, oldest first. */
  readonly replies?: readonly ThreadComment[];
  readonly moreReplies?: boolean;
  /** An own comment without an answer. Its id begins with "pending-", and its html is empty. */
  readonly pending?: boolean;
  /** An own comment that could not be sent: call retry or discard. */
  readonly failed?: Problem | Error;
}

export interface ThreadChange {
  /** Comments that have changed. A root also changes with its replies. */
  ids: Set<string>;
  added: Set<string>;
  removed: Set<string>;
  /** Fields of the post have changed. */
  post: boolean;
  /** The ids in comments, their order, or more have changed. */
  list: boolean;
  /** The change has events, which may be those of what this reader did. Loaded comments are in other changes. */
  remote: boolean;
}

/** What is read once and then follows events. */
declare class Live<Change> {
  readonly state: 'loading' | 'ready' | 'error' | 'closed';
  /** The reason of the state error. The list is read again by itself, unless the server has refused it. */
  readonly error: Problem | Error | null;
  /** The id of the reader, null without one, undefined until it is known. */
  readonly user: string | null | undefined;
  readonly more: boolean;
  /** Calls fn after each change. Events that come within 16 ms are one change. */
  on(name: 'change', fn: (change: Change) => void, options?: { signal?: AbortSignal }): () => void;
  /** Reads the list again, up to 100 comments. */
  load(): Promise<void>;
  loadMore(): Promise<void>;
  close(): void;
}

export class Thread extends Live<ThreadChange> {
  readonly post: ListedPost;
  /** In the order of the list. An array that changes is replaced. */
  readonly comments: readonly ThreadComment[];
  /** Other users that are typing: at most five by name, and the number of all. */
  readonly typing: { users: { id: string; name: string | null }[]; count: number };
  /** null before the first event presence. */
  readonly presence: Presence | null;
  get(id: string): ThreadComment | undefined;
  loadReplies(id: string): Promise<void>;
  /** Reads a comment that is not loaded, with its root. Both stand after the loaded ones. False: there is none. */
  reveal(id: string): Promise<boolean>;
  setSort(sort: 'newest' | 'oldest' | 'top'): Promise<void>;
  /** Shows the comment at once. If it cannot be sent, it stays, with failed: the rejection may be ignored. */
  postComment(body: string, options?: { parentId?: string | null; mentions?: string[] }): Promise<ThreadComment>;
  retry(id: string): Promise<ThreadComment>;
  discard(id: string): void;
  edit(id: string, body: string, options?: { version?: number; mentions?: string[] }): Promise<void>;
  delete(id: string): Promise<void>;
  /** Shows the like at once, and takes it back if it cannot be sent: the rejection may be ignored. */
  like(liked?: boolean): Promise<Likes>;
  likeComment(id: string, liked?: boolean): Promise<Likes>;
  /** Call it at each key: it sends a signal every three seconds. */
  signalTyping(): void;
}

export class Inbox extends Live<void> {
  readonly unread: number;
  /** Newest first. */
  readonly notifications: readonly Notification[];
  markRead(ids: string[] | 'all'): Promise<void>;
}
