// Package web embeds the files that a browser loads from Tidings.
//
// The client for browsers is written as ES modules in src. Pages load the minified files in
// dist, which go generate makes, and package is what npm publishes:
//
//	tidings.js      the entry: what a page imports
//	data.js         what tidings.js loads when a page needs it: calls, threads, inboxes
//	later.js        loads data.js, and stands for threads and inboxes until it is there
//	whole.js        the client in one file, for comments.js and npm
//	client.js       a reader: its topics, listeners and state
//	api.js          the calls of the HTTP API, and their repetition
//	calls.js        requests: tokens, problems
//	listeners.js    functions that are called with events
//	topics.js       the topics of a page, and up to where it has their events
//	tabs.js         one connection for all tabs of a site and user
//	connection.js   one stream, or polls where streams do not pass
//	sources.js      the two requests that bring events
//	eventstream.js  a parser of event streams
//	cursor.js       the order of cursors
//
// The elements are in src, too. comments.js contains the client; it loads bell.js and the
// languages when a page needs them:
//
//	comments.js               the entry: defines the elements
//	bell.js, lang/*.js        <tidings-bell>, the texts in other languages
//	elements/base.js          what all elements share: attributes, session, language, end
//	elements/sessions.js      one client for all elements of one server and user
//	elements/comments.js      <tidings-comments>: its states
//	elements/head.js          the line above the comments
//	elements/list.js, item.js the comments; one comment
//	elements/composer.js      the form for a text
//	elements/count.js, counts.js  <tidings-count>; one call for all of a page
//	elements/sanitize.js      the HTML of comments
//	elements/post.js          the id of the post that a page is about
//	elements/words.js, time.js, avatar.js, dom.js  texts, times, pictures, nodes
//	elements/sheet.js, bellsheet.js  the style
//
// The files in pages are our own pages: the demo (demo.html), for moderators (moderate.html)
// and operators (inspect.html), with their modules and styles. The browser runs them as they
// are here: there is no build step. They work under a Content-Security-Policy without unsafe-*
// sources: there is no inline script or style, and text of users becomes text nodes only.
// comments.html there is a template for readers without scripts.
//
//	demo.js            the demo: two users on one post, raw events, lines to paste
//	demo-line.js       a network that can be cut for one user
//	moderate.js        lists, keys and sign-in of moderators
//	moderate-queue.js  a list of comments that follows the events
//	moderate-card.js   one comment and what can be done with it
//	inspect.js         asks for the state of the server each second
//	inspect-lists.js   its tables
//	samples.js         rates, as differences of counts
//	chart.js           a line chart
//	session.js         the token that a moderator types in
//	dom.js             helpers for elements, text and time
//
// The paths and headers of the files are set in package api.
package web
