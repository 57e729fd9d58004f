// Package repeat recognizes requests for polls that repeat an earlier request, so that they
// need neither net/http nor another authorization.
//
// A client that polls sends the same head again and again; only its cursor changes. Behind a
// proxy, consecutive requests of one connection come from different clients, so a request is
// compared with the requests of all connections.
//
//  1. [Scan] reads the head of a request, if it is one of a narrow form. It finds the cursor
//     and a few values that have no influence on the answer. All other requests are for
//     net/http.
//  2. [Table.Key] hashes all other bytes of the head and the IP address of the peer.
//  3. [Table.Add] stores what net/http and the handler have found out about a request with
//     this key. [Table.Get] returns it for the next one.
//
// A key stands for the right to read private topics. So it is a keyed cryptographic hash, and
// of the bytes of a request only values are left out that the handler does not read.
package repeat
