package conn

const sysSendto = 369 // since Linux 4.3; package syscall has only the older socketcall(2)
