// Package reach asks a server or a database for one answer within 10 s, so that a
// command ends with an error that names the server instead of waiting for a server that
// is down, silent or not Tidings.
package reach
