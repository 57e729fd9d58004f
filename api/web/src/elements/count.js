// <tidings-count>: the number of comments or likes of a post.

import { Base } from './base.js';
import { Counts } from './counts.js';
import { setText } from './dom.js';
import { isPost, postOf } from './post.js';

export class TidingsCount extends Base {
  static observedAttributes = [...Base.observedAttributes, 'live', 'of'];

  /** The id of the post that is counted. */
  counted = '';

  start() {
    this.counted = this.post ?? postOf(this.ownerDocument);
    if (!this.shadowRoot?.firstChild) this.shadowRoot?.append(document.createElement('slot'));
    if (!isPost(this.counted)) return console.warn('tidings-count: the attribute post is no valid id');
    try {
      const client = this.open();
      if (this.hasAttribute('live')) this.#listen(client);
      else Counts.of(client).add(this, this.signal);
    } catch (error) {
      console.warn('tidings-count:', error);
    }
  }

  /** @param {{comments?: number, likes?: number} | undefined} counts */
  show(counts) {
    const n = counts?.[this.getAttribute('of') === 'likes' ? 'likes' : 'comments'];
    if (n === undefined || !this.shadowRoot) return;
    setText(this.shadowRoot, this.words.numbers.format(n));
  }

  /**
   * Reads the counts with the cursor of their list, and follows the events from there. If the
   * connection has no room for them, the counts are read with those of the other elements.
   * @param {import('../tidings.js').Tidings} client
   */
  async #listen(client) {
    const { signal, counted } = this;
    const topic = 'post:' + counted;
    const options = { topic, again: true, signal };
    client.on('comment-count', ({ data }) => this.show({ comments: data.count }), options);
    client.on('like-update', ({ data }) => { if (!data.commentId) this.show({ likes: data.count }); }, options);
    client.on('post-deleted', () => this.show({ comments: 0, likes: 0 }), options);
    const read = async () => {
      const { post, cursor } = await client.comments(counted, { limit: 1, signal });
      this.show({ comments: post.commentCount, likes: post.likeCount });
      return cursor;
    };
    const warn = (/** @type {any} */ error) => { if (!signal.aborted) console.warn('tidings-count:', error); };
    client.on('gap', () => read().catch(warn), { signal });
    client.on('refused', ({ data }) => data.topics.includes(topic) && Counts.of(client).add(this, signal), { signal });
    try {
      const cursor = await read();
      if (signal.aborted) return;
      client.subscribe(topic, { cursor, spare: true });
      signal.addEventListener('abort', () => client.unsubscribe(topic));
    } catch (error) {
      warn(error);
    }
  }
}
