//go:build !386

package conn

import "syscall"

const sysSendto = syscall.SYS_SENDTO
