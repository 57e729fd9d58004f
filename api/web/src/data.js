// What tidings.js loads when a page uses it first: the calls, threads, and inboxes.

export { call } from './api.js';
export { Inbox } from './inbox.js';
export { Thread } from './thread.js';
