//go:build !386

package stream

import "syscall"

const sysSendto = syscall.SYS_SENDTO
