// Package group
package group
