// Package auth finds out which user sends a request. It knows no route, no HTTP
// status and no web framework: it takes a [net/http.Request] and returns an
// [Identity], or an [Error] that package api turns into a problem.
//
// # Credentials
//
// A request may carry one of three credentials:
//
//   - a token, as "Authorization: Bearer …". A token is a JWT (RFC 7519) that the
//     site signs with a key from our configuration; [Verifier] checks it.
//   - the same token in the cookie [CookieName]. A browser adds cookies to requests
//     of foreign pages too, so the cookie counts only if [Origins] trusts the page.
//   - a ticket in the URL, for an EventSource without a cookie. [Tickets] exchanges a
//     token for a ticket, which opens one stream within a minute.
//
// [Authenticator] reads the first two. A bearer token that cannot be used is refused, also
// where no credential is needed: to treat its sender as anonymous would hide that the token
// has expired. A cookie that cannot be used counts as absent, because browsers send it
// whether or not the page knows of it.
//
// # The times of a token
//
// [Clock] is the only place that decides when a token begins and ends. Admission of
// requests, open streams, waiting polls and tickets all ask it.
package auth
