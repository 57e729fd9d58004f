// What tidings.js loads when a page uses it first: the calls, threads, and inboxes. A browser may have an older
// tidings.js in its cache, so the modules here use only public members of the client, and caller.

export { call } from './api.js';
export { Inbox } from './inbox.js';
export { Thread } from './thread.js';
