// Types of comments.js: the elements, and all of tidings.js.

import type { Inbox, Notification, Thread, Tidings } from './tidings.js';

export * from './tidings.js';

/** What all elements have. */
declare class TidingsElement extends HTMLElement {
  /** The id of the post, as the attribute. */
  post: string | null;
  /** A JWT of the user, as the attribute. */
  token: string | null;
  /** Returns a token. It is called at the start and when a token ends. */
  getToken: (() => string | null | Promise<string | null>) | undefined;
  /** The client of the element while it is in a page. Elements of one server and user share it. */
  readonly client: Tidings | undefined;
  /** Starts again, for example after a sign-in that has set a cookie. */
  reload(): void;
}

/** `<tidings-comments>`: the comments of a post. It dispatches `login` if the user has to sign in. */
export class TidingsComments extends TidingsElement {
  readonly thread: Thread | undefined;
}

/** `<tidings-count>`: the number of comments or likes of a post. */
export class TidingsCount extends TidingsElement {}

/** `<tidings-bell>`: the notifications. It dispatches `open`, a CustomEvent with the notification, before it follows its link. */
export interface TidingsBell extends TidingsElement {
  readonly inbox: Inbox | undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    'tidings-comments': TidingsComments;
    'tidings-count': TidingsCount;
    'tidings-bell': TidingsBell;
  }
  interface HTMLElementEventMap {
    login: CustomEvent<null>;
    open: CustomEvent<Notification>;
  }
}
