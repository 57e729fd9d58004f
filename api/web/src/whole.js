// The client with all its parts in one file: in comments.js and in the npm package.

import { call, calls } from './api.js';
import { Client } from './client.js';
import { Inbox } from './inbox.js';
import { Thread } from './thread.js';

export { Problem } from './calls.js';

/** A reader of one server, as one user. The file tidings.d.ts describes its methods. */
export class Tidings extends Client {
  thread(post, options) {
    return new Thread(this, post, { presence: this._presence, ...options });
  }

  inbox(options) {
    return new Inbox(this, options);
  }
}

for (const name in calls) {
  Tidings.prototype[name] = function (...args) {
    return call(this.caller, name, args);
  };
}
