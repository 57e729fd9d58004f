// Package web holds the files a browser gets from Tidings, embedded in the binary.
//
// They are plain ES modules, a page and its style sheets: what stands here is what the browser
// runs, with no build step between. They keep to a Content-Security-Policy without unsafe-*: no
// inline script or style, and text from people reaches the page as text nodes only.
//
// The demo page (demo.html) is the first thing a newcomer sees: two signed-in users side by side,
// looking at the same post.
//
//	demo.js           starts the page: configuration, two panes, the wire, the copy-paste lines
//	demo-pane.js      one user's window: what is read, and what each event changes
//	demo-feed.js      that user's stream: list, ticket, EventSource, resume, watchdog
//	demo-api.js       that user's requests, and the shapes they answer with
//	demo-comments.js  the list of comments
//	demo-composer.js  the textarea, its reply and its Post button
//	demo-typing.js    who is typing: telling it and showing it
//	demo-bell.js      the notifications
//	demo-wire.js      the raw events as they come in
//	demo-dom.js       small helpers for templates, text and time
//
// The package knows nothing of HTTP: package api decides the paths and the headers.
package web
