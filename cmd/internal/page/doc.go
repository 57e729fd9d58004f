// Package page is a model of a page that shows the comments of a post and the notifications of the
// reader, and that events keep up to date. [Load] loads the comments, [Page.Apply] applies an event of
// the topics `post:<id>` and `me`, and [Page.Differences] compares them with a page that was loaded
// again. [LoadInbox], [Inbox.Apply] and [Inbox.Differences] do the same for notifications. The test
// of the servers and the checker use the model as the judge: after the same events, both pages must
// be equal.
//
// # Rules for comments
//
// A page knows how far it has loaded a list: up to a place in the order of the list, or to its
// end. The same is true for the replies of each root. A place consists of the fields that a
// comment is sorted by and its id. The rules are those of docs/events.md, "Keep a page up to
// date":
//
//  1. new-comment and comment-updated have the comment. A comment that the page knows is
//     replaced, and moves to its place. A comment that the page does not know is added if its
//     place is loaded. One without text and author (status deleted) is not added.
//  2. comment-deleted has the tombstone, which is replaced or added in the same way. Without a
//     tombstone, the comment is removed, and a root with its replies.
//  3. thread, in each of the three, has the replyCount of the parent and the threadCount of the
//     root.
//  4. comment-count, like-update, liked and post-updated have new values of fields.
//     post-deleted leaves an empty post, whose lists are loaded to the end.
//     A tombstone is not liked.
//  5. An event does not say what was there before it: whether the reader likes a comment that is
//     added or published again, and the replies of a root that is added. If the comment has likes
//     or replies, the page reads them over the API ([Page.Fill]).
//  6. After stream.gap, the page is loaded again.
//
// A list that is read later than the page (rules 5 and 6, and the next page of a list) may be
// ahead of the events. The events in between are applied to it all the same: each of them has
// values, not differences, so the last one leaves the value that the list had.
//
// With the sort top, the roots stay as they were loaded: rule 1 adds none and moves none.
//
// # Rules for notifications
//
// The place of a notification is its id, highest first. A list of unread ones leaves out each that
// gets a readAt.
//
//  1. Each event has the number of unread notifications.
//  2. An event with an id is a notification, which replaces the one with the same id, or of a like
//     the one with the same post and comment. Another one is added if its place is loaded.
//  3. read has ids of notifications that get the readAt of the event; those in withdrawn are removed.
//  4. Without ids, and after stream.gap, the list is loaded again.
package page
