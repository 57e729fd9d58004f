// The texts of the elements in English, and the functions that fill texts in.

/**
 * A text, or its plural forms by the names of Intl.PluralRules.
 * @typedef {string | Record<string, string>} Text
 */

/** @type {Record<string, Text>} */
export const english = {
  heading: 'Comments',
  comments: { one: '{n} comment', other: '{n} comments' },
  write: 'Write a comment',
  post: 'Post',
  reply: 'Reply',
  replyTo: 'Reply to {name}',
  inReply: 'to {name}',
  cancel: 'Cancel',
  edit: 'Edit',
  editOwn: 'Edit your comment',
  save: 'Save',
  delete: 'Delete',
  removing: 'Comment deleted.',
  undo: 'Undo',
  removed: 'This comment was deleted.',
  edited: 'edited',
  pinned: 'Pinned',
  like: 'Like',
  likes: { one: '{n} like', other: '{n} likes' },
  sort: 'Sort comments',
  newest: 'Newest first',
  oldest: 'Oldest first',
  top: 'Most liked',
  more: 'Show more comments',
  moreReplies: { one: 'Show {n} more reply', other: 'Show {n} more replies' },
  fresh: { one: '{n} new comment', other: '{n} new comments' },
  typing: { one: '{names} is typing', other: '{names} are typing' },
  others: { one: '{n} other', other: '{n} others' },
  viewers: { one: '{n} reader', other: '{n} readers' },
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  sending: 'Sending',
  posted: 'Comment posted.',
  held: 'Waits for approval. Only you see it.',
  locked: 'Comments are closed.',
  empty: 'No comments yet.',
  signIn: 'Sign in to comment',
  failed: 'Not sent.',
  retry: 'Try again',
  discard: 'Discard',
  loading: 'Loading comments',
  broken: 'Comments could not be loaded.',
  needPost: 'The attribute post is missing or is no valid id.',
  someone: 'Someone',
  left: { one: '{n} character left', other: '{n} characters left' },
  tooLong: { one: '{n} character too many', other: '{n} characters too many' },
  too_late: 'It is too late to change this comment.',
  rate_limited: 'Too many at once. Wait a moment.',
  post_locked: 'Comments are closed.',
  unauthenticated: 'Sign in first.',
  invalid_token: 'Your sign-in has ended.',
  forbidden: 'That is not allowed.',
  no_parent: 'The comment that you answer is gone.',
  not_found: 'It does not exist.',
  unreachable: 'No answer. Check the connection.',
};

/**
 * Functions that load the texts of other languages. comments.js fills the table, because a path of
 * import() is relative to the file that is served.
 * @type {Record<string, () => Promise<{default: Record<string, Text>}>>}
 */
export const languages = {};

/** The texts of one language. */
export class Words {
  /** English texts of a file that is loaded later. @type {Record<string, Text> | undefined} */
  extra;

  /**
   * @param {string} lang  a BCP 47 language tag
   * @param {Record<string, Text>} texts
   */
  constructor(lang, texts) {
    this.lang = lang;
    this.texts = texts;
    this.rtl = /^(ar|fa|he|ur)\b/.test(lang);
    this.plural = new Intl.PluralRules(lang);
    this.numbers = new Intl.NumberFormat(lang);
  }

  /**
   * Returns a text with its values. `count`, or else `n`, chooses the plural form.
   * @param {string} key
   * @param {Record<string, any>} [values]
   * @returns {string}
   */
  say(key, values = {}) {
    let text = this.texts[key] ?? english[key] ?? this.extra?.[key] ?? key;
    if (typeof text !== 'string') text = text[this.plural.select(values.count ?? values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (_, name) => {
      const value = values[name];
      return typeof value === 'number' ? this.numbers.format(value) : value;
    });
  }

  /**
   * Returns names as a list: "Ann, Ben and Dan".
   * @param {string[]} names
   */
  list(names) {
    return new Intl.ListFormat(this.lang, { type: 'conjunction' }).format(names);
  }

  /**
   * Returns what went wrong, in words for a user.
   * @param {any} problem  a Problem, or the error of a request without an answer
   */
  problem(problem) {
    const code = problem?.status ? problem.code : 'unreachable';
    return code in english ? this.say(code) : problem.detail || this.say('unreachable');
  }
}

/**
 * Returns the texts of a language, or the English ones if there is no such file.
 * @param {string} tag  such as "de-AT"; an empty one is English
 */
export async function wordsOf(tag) {
  const name = tag.toLowerCase().split('-')[0];
  try {
    if (Object.hasOwn(languages, name)) {
      const [lang] = Intl.getCanonicalLocales(tag);
      return new Words(lang, (await languages[name]()).default);
    }
  } catch (error) {
    console.warn('tidings: language', tag, error);
  }
  return inEnglish(tag);
}

/** @param {string} [tag]  "en-GB" has other dates than "en" */
export function inEnglish(tag = '') {
  return new Words(/^en(-\w+)*$/i.test(tag) ? tag : 'en', english);
}
